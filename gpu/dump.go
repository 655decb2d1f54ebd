package gpu

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
)

// DumpEnv names the environment variable that holds a folder into which every compiled shader is written, for other
// WGSL front ends to check (`make shaders-check`).
const DumpEnv = "UMBRA_DUMP_SHADERS"

func dumpShader(name, wgsl string) error {
	dir := os.Getenv(DumpEnv)
	if dir == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(wgsl))
	file := filepath.Join(dir, name+"-"+hex.EncodeToString(sum[:6])+".wgsl")
	if err := os.WriteFile(file, []byte(wgsl), 0o644); err != nil {
		return fmt.Errorf("%s: %w", DumpEnv, err)
	}
	return nil
}
