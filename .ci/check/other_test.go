package check

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

// TestWorkflows: actionlint finds nothing in the workflows; actions are pinned to commits, and may only read unless a job says more.
func TestWorkflows(t *testing.T) {
	files, err := filepath.Glob(root + ".github/workflows/*.yml")
	require.NoError(t, err)
	require.Len(t, files, 2)
	var said bytes.Buffer
	linter, err := actionlint.NewLinter(&said, &actionlint.LinterOptions{Oneline: true, Shellcheck: "shellcheck"})
	require.NoError(t, err)
	pinned := regexp.MustCompile(`^[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	uses := regexp.MustCompile(`uses: (.*)`)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		found, err := linter.Lint(file, data, nil)
		require.NoError(t, err)
		assert.Empty(t, found, said.String())
		for _, m := range uses.FindAllStringSubmatch(string(data), -1) {
			assert.Regexp(t, pinned, m[1])
		}
		var workflow struct {
			Permissions map[string]string `json:"permissions"`
		}
		require.NoError(t, yaml.Unmarshal(data, &workflow))
		assert.Equal(t, map[string]string{"contents": "read"}, workflow.Permissions, file)

		broken := strings.Replace(string(data), "runs-on:", "run-on:", 1)
		found, err = linter.Lint(file, []byte(broken), nil)
		require.NoError(t, err)
		assert.NotEmpty(t, found, "the linter finds mistakes")
	}
}

// TestContainerfile: stages that are copied from, and files that are copied, exist; the user is not root; what runs is what was copied.
func TestContainerfile(t *testing.T) {
	data, err := os.ReadFile(root + "docs/deploy/Containerfile")
	require.NoError(t, err)
	text := strings.ReplaceAll(string(data), "\\\n", "")
	stages, copied := map[string]bool{}, map[string]bool{}
	last := map[string]string{}
	for line := range strings.Lines(text) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		f := strings.Fields(rest)
		last[word] = rest
		switch word {
		case "FROM":
			assert.Regexp(t, `^docker\.io/library/[a-z]+:[\w.-]+$`, f[0], "named in full")
			assert.NotContains(t, f[0], ":latest")
			if len(f) == 3 {
				stages[f[2]] = true
			}
		case "COPY":
			if stage, from := strings.CutPrefix(f[0], "--from="); from {
				assert.True(t, stages[stage], stage)
				copied[f[len(f)-1]] = true
				continue
			}
			for _, name := range f[:len(f)-1] {
				_, err := os.Stat(filepath.Join(root, name))
				assert.NoError(t, err)
			}
		case "", "#", "ARG", "RUN", "ENV", "USER", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD", "WORKDIR":
		default:
			assert.True(t, strings.HasPrefix(word, "#"), "%s: instruction %q", line, word)
		}
	}
	assert.Regexp(t, `^[1-9]\d*:[1-9]\d*$`, last["USER"])
	assert.True(t, copied[strings.Trim(last["ENTRYPOINT"], `[]"`)], last["ENTRYPOINT"])
	assert.Contains(t, text, "libvulkan1")
	assert.Contains(t, text, "mesa-vulkan-drivers")
	assert.Contains(t, text, "NVIDIA_DRIVER_CAPABILITIES=compute,graphics,utility")
	uid, _, _ := strings.Cut(last["USER"], ":")
	assert.Contains(t, strings.Join(documents(t, manifests+"umbra.yaml"), ""), "runAsUser: "+uid)
}

// settings are the unit's, by section: the values of each key.
func settings(t *testing.T, text string) map[string]map[string][]string {
	t.Helper()
	all, section := map[string]map[string][]string{}, ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch key, value, ok := strings.Cut(line, "="); {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
			all[section] = map[string][]string{}
		default:
			require.True(t, ok, line)
			all[section][key] = append(all[section][key], value)
		}
	}
	return all
}

// TestUnit: systemd accepts its unit and finds it little exposed, where systemd is; anywhere, it has its parts.
func TestUnit(t *testing.T) {
	data, err := os.ReadFile(root + "docs/deploy/umbra.service")
	require.NoError(t, err)
	all := settings(t, string(data))
	service := all["Service"]
	assert.Equal(t, []string{"multi-user.target"}, all["Install"]["WantedBy"])
	for key, want := range map[string]string{"DynamicUser": "yes", "ProtectSystem": "strict", "DevicePolicy": "closed", "NoNewPrivileges": "yes",
		"CapabilityBoundingSet": "", "Restart": "on-failure", "ExecStart": "/usr/local/bin/umbra serve"} {
		assert.Equal(t, []string{want}, service[key], key)
	}
	assert.ElementsMatch(t, []string{"char-drm rw", "char-nvidia* rw"}, service["DeviceAllow"])
	for _, hides := range []string{"PrivateDevices", "MemoryDenyWriteExecute"} {
		assert.NotContains(t, service, hides, "drivers could not work")
	}

	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	itself, err := os.Executable() // stands for the binary, which must be there
	require.NoError(t, err)
	unit := filepath.Join(t.TempDir(), "umbra.service")
	require.NoError(t, os.WriteFile(unit, []byte(strings.Replace(string(data), "/usr/local/bin/umbra", itself, 1)), 0o644))
	said, err := exec.Command(analyze, "verify", unit).CombinedOutput()
	assert.NoError(t, err, "%s", said)
	assert.NotContains(t, string(said), "umbra.service:", "no warnings")
	said, err = exec.Command(analyze, "security", "--offline=yes", "--threshold=25", unit).CombinedOutput()
	if strings.Contains(string(said), "unrecognized option") {
		t.Skip("this systemd-analyze does not look at files")
	}
	assert.NoError(t, err, "%s", said)
}

// TestNginx: nginx accepts its configuration, where nginx is.
func TestNginx(t *testing.T) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is not installed")
	}
	file, err := filepath.Abs(root + "docs/deploy/nginx.conf")
	require.NoError(t, err)
	folder := t.TempDir()
	whole := filepath.Join(folder, "nginx.conf")
	require.NoError(t, os.WriteFile(whole, []byte("pid "+folder+"/pid;\nevents {}\nhttp { include "+file+"; }\n"), 0o644))
	said, err := exec.Command(nginx, "-t", "-c", whole, "-p", folder).CombinedOutput()
	assert.NoError(t, err, "%s", said)
}

// TestScripts: shellcheck finds nothing in the scripts, where it is installed.
func TestScripts(t *testing.T) {
	shellcheck, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Skip("shellcheck is not installed")
	}
	scripts, err := filepath.Glob(root + ".ci/*.sh")
	require.NoError(t, err)
	said, err := exec.Command(shellcheck, append(scripts, root+".ci/run")...).CombinedOutput()
	assert.NoError(t, err, "%s", said)
}
