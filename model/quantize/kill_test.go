package quantize

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/model/gguf"
)

// childPath, set in the environment, makes TestKilled the run that is killed: it writes from in.gguf to out.gguf in that folder,
// and gets no further than some bytes.
const childPath = "QUANTIZE_TEST_FOLDER"

// A run that is killed leaves the file that was there, and its temporary one beside it.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(childPath); dir != "" {
		f, err := gguf.Open(filepath.Join(dir, "in.gguf"))
		require.NoError(t, err)
		_, err = File(context.Background(), f, filepath.Join(dir, "out.gguf"), Options{Mix: named(t, "bf16"), Progress: func(done, total int64) {
			if done > total/2 {
				require.NoError(t, os.WriteFile(filepath.Join(dir, "halfway"), nil, 0o644))
				time.Sleep(time.Minute)
			}
		}})
		t.Fatalf("not killed: %v", err)
	}
	dir := t.TempDir()
	const cols, rows = 4096, 512
	w := gguf.NewWriter()
	w.Set("general.architecture", "llama")
	w.Add("blk.0.attn_q.weight", gguf.F32, []uint64{cols, rows}, make([]byte, 4*cols*rows))
	require.NoError(t, w.Save(filepath.Join(dir, "in.gguf")))
	out := filepath.Join(dir, "out.gguf")
	require.NoError(t, os.WriteFile(out, []byte("before"), 0o644))

	child := exec.Command(os.Args[0], "-test.run", "^TestKilled$")
	child.Env = append(os.Environ(), childPath+"="+dir)
	require.NoError(t, child.Start())
	require.Eventually(t, func() bool { _, err := os.Stat(filepath.Join(dir, "halfway")); return err == nil }, 50*time.Second, 20*time.Millisecond)
	require.NoError(t, child.Process.Kill())
	_ = child.Wait()

	data, err := os.ReadFile(out)
	require.NoError(t, err)
	assert.Equal(t, "before", string(data))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	temporary := 0
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".tmp") {
			temporary++
		}
	}
	assert.Equal(t, 1, temporary)
	assert.Len(t, entries, 4)
}
