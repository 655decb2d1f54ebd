// Package check tests what is not Go: manifests, workflows, units and container files.
package check

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

const (
	root      = "../../"
	manifests = root + "docs/deploy/kubernetes/"
)

// manifest is a document of a file, with the parts that others refer to.
type manifest struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
	Data map[string]string `json:"data"`
	Spec struct {
		Replicas       int            `json:"replicas"`
		Selector       map[string]any `json:"selector"`
		Ports          []port         `json:"ports"`
		ScaleTargetRef reference      `json:"scaleTargetRef"`
		TargetPorts    []struct {
			Number int `json:"number"`
		} `json:"targetPorts"`
		EndpointPickerRef struct {
			Name string `json:"name"`
			Port struct {
				Number int `json:"number"`
			} `json:"port"`
		} `json:"endpointPickerRef"`
		PoolRef    reference   `json:"poolRef"`
		ParentRefs []reference `json:"parentRefs"`
		Rules      []struct {
			BackendRefs []reference `json:"backendRefs"`
		} `json:"rules"`
		PodMetricsEndpoints []struct {
			Port string `json:"port"`
		} `json:"podMetricsEndpoints"`
		Template struct {
			Metadata struct {
				Labels map[string]string `json:"labels"`
			} `json:"metadata"`
			Spec podSpec `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
	RoleRef  reference   `json:"roleRef"`
	Subjects []reference `json:"subjects"`
}

type reference struct {
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

type port struct {
	Name          string `json:"name"`
	Port          int    `json:"port"`
	ContainerPort int    `json:"containerPort"`
	TargetPort    string `json:"targetPort"`
}

type podSpec struct {
	Grace              int    `json:"terminationGracePeriodSeconds"`
	ServiceAccountName string `json:"serviceAccountName"`
	Containers         []struct {
		Args           []string `json:"args"`
		Ports          []port   `json:"ports"`
		StartupProbe   probe    `json:"startupProbe"`
		ReadinessProbe probe    `json:"readinessProbe"`
		LivenessProbe  probe    `json:"livenessProbe"`
		Lifecycle      struct {
			PreStop struct {
				Sleep struct {
					Seconds int `json:"seconds"`
				} `json:"sleep"`
			} `json:"preStop"`
		} `json:"lifecycle"`
		VolumeMounts []struct {
			Name string `json:"name"`
		} `json:"volumeMounts"`
	} `json:"containers"`
	Volumes []struct {
		Name  string `json:"name"`
		Claim struct {
			Name string `json:"claimName"`
		} `json:"persistentVolumeClaim"`
		ConfigMap reference `json:"configMap"`
	} `json:"volumes"`
}

type probe struct {
	HTTPGet struct {
		Path string `json:"path"`
		Port string `json:"port"`
	} `json:"httpGet"`
}

// documents are a file's, as text.
func documents(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return strings.Split(string(data), "\n---\n")
}

// read reads a document strictly, no key twice, and says of which kind it is.
func read(t *testing.T, text string) (kind string, all any) {
	t.Helper()
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &all))
	fields := all.(map[string]any)
	if fields["kind"] == nil {
		return "values prometheus-adapter", all
	}
	return fmt.Sprint(fields["apiVersion"], " ", fields["kind"]), all
}

// parse reads a document.
func parse(t *testing.T, text string) (m manifest) {
	t.Helper()
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), new(any)))
	require.NoError(t, yaml.Unmarshal([]byte(text), &m))
	return m
}

// TestManifests: each document of docs/deploy/kubernetes is what the schema of its kind asks for, and kustomize's list has all files.
func TestManifests(t *testing.T) {
	files, err := filepath.Glob(manifests + "*.yaml")
	require.NoError(t, err)
	var listed struct {
		Resources []string `json:"resources"`
	}
	count := 0
	for _, file := range files {
		name := filepath.Base(file)
		for _, text := range documents(t, file) {
			kind, all := read(t, text)
			assert.NoError(t, validate(t, kind, all), "%s: %s", name, kind)
			count++
			if strings.HasSuffix(kind, " Kustomization") {
				require.NoError(t, yaml.Unmarshal([]byte(text), &listed))
			}
		}
	}
	assert.GreaterOrEqual(t, count, 18)
	var want []string
	for _, file := range files {
		if name := filepath.Base(file); name != "kustomization.yaml" && name != "prometheus-adapter-values.yaml" {
			want = append(want, name)
		}
	}
	assert.ElementsMatch(t, want, listed.Resources)
}

// TestSchemasRefuse: the check finds mistakes.
func TestSchemasRefuse(t *testing.T) {
	for _, x := range []struct{ file, old, new, says string }{
		{"umbra.yaml", "containerPort: 8080", "containerport: 8080", "containerport"},
		{"umbra.yaml", "replicas: 2", `replicas: "two"`, "replicas"},
		{"umbra.yaml", "sleep: {seconds: 10}", "sleep: {second: 10}", "second"},
		{"umbra.yaml", "- name: umbra\n          image", "- image", "name"},
		{"umbra.yaml", "maxUnavailable: 1\n", "maxUnavailable: 1\n  minimum: 1\n", "minimum"},
		{"autoscaling.yaml", "maxReplicas: 8", "maximum: 8", "maxReplicas"},
		{"inference-pool.yaml", "FailOpen", "FailSoft", "failureMode"},
		{"inference-pool.yaml", "port: {number: 9002}", "port: {number: 90020}", "number"},
		{"inference-pool.yaml", "PathPrefix", "Prefix", "type"},
		{"inference-pool.yaml", "priority: 10", "priority: high", "priority"},
		{"endpoint-picker.yaml", "verbs: [get, watch, list]", "verb: [get, watch, list]", "verb"},
		{"prometheus-adapter-values.yaml", "seriesQuery", "seriesquery", "seriesQuery"},
		{"kustomization.yaml", "resources:", "resource:", "resource"},
	} {
		data, err := os.ReadFile(manifests + x.file)
		require.NoError(t, err)
		require.Contains(t, string(data), x.old, x.file)
		var said []string
		for text := range strings.SplitSeq(strings.Replace(string(data), x.old, x.new, 1), "\n---\n") {
			kind, all := read(t, text)
			if err := validate(t, kind, all); err != nil {
				said = append(said, err.Error())
			}
		}
		if assert.Len(t, said, 1, "%s with %q", x.file, x.new) {
			assert.Contains(t, said[0], x.says)
		}
	}
	assert.ErrorContains(t, validate(t, "v2 Deployment", map[string]any{}), "no schema")
}

// selects are the labels by which a document chooses pods.
func (m manifest) selects() map[string]any {
	if labels, has := m.Spec.Selector["matchLabels"].(map[string]any); has {
		return labels
	}
	return m.Spec.Selector
}

// TestNames: what one document says of another is so, and so is what the probes and the times of the end say of umbra.
func TestNames(t *testing.T) {
	byKind := map[string]map[string]manifest{}
	files, _ := filepath.Glob(manifests + "*.yaml")
	for _, file := range files {
		for _, text := range documents(t, file) {
			m := parse(t, text)
			if byKind[m.Kind] == nil {
				byKind[m.Kind] = map[string]manifest{}
			}
			byKind[m.Kind][m.Metadata.Name] = m
		}
	}
	exists := func(kind, name string) {
		t.Helper()
		assert.Contains(t, byKind[kind], name, kind)
	}
	// chosen is the pod template that labels choose.
	chosen := func(m manifest) podSpec {
		t.Helper()
		var found []podSpec
		for _, d := range byKind["Deployment"] {
			all := len(m.selects()) > 0
			for k, v := range m.selects() {
				all = all && d.Spec.Template.Metadata.Labels[k] == v
			}
			if all {
				found = append(found, d.Spec.Template.Spec)
			}
		}
		require.Len(t, found, 1, "%s %s", m.Kind, m.Metadata.Name)
		return found[0]
	}
	named := func(p podSpec, name string) bool {
		return slices.ContainsFunc(p.Containers[0].Ports, func(p port) bool { return p.Name == name })
	}

	for _, kind := range []string{"Deployment", "Service", "PodDisruptionBudget", "PodMonitor", "InferencePool"} {
		require.NotEmpty(t, byKind[kind], kind)
		for _, m := range byKind[kind] {
			pod := chosen(m)
			for _, p := range m.Spec.Ports {
				assert.True(t, named(pod, p.TargetPort), "%s %s: port %s", kind, m.Metadata.Name, p.TargetPort)
			}
			for _, e := range m.Spec.PodMetricsEndpoints {
				assert.True(t, named(pod, e.Port), "%s: port %s", kind, e.Port)
			}
			for _, p := range m.Spec.TargetPorts {
				assert.Equal(t, pod.Containers[0].Ports[0].ContainerPort, p.Number)
			}
		}
	}
	for _, d := range byKind["Deployment"] {
		pod := d.Spec.Template.Spec
		var volumes []string
		for _, v := range pod.Volumes {
			volumes = append(volumes, v.Name)
			if v.Claim.Name != "" {
				exists("PersistentVolumeClaim", v.Claim.Name)
			}
			if v.ConfigMap.Name != "" {
				exists("ConfigMap", v.ConfigMap.Name)
			}
		}
		for _, mount := range pod.Containers[0].VolumeMounts {
			assert.Contains(t, volumes, mount.Name)
		}
		if pod.ServiceAccountName != "" {
			exists("ServiceAccount", pod.ServiceAccountName)
		}
	}
	for _, m := range byKind["HorizontalPodAutoscaler"] {
		exists(m.Spec.ScaleTargetRef.Kind, m.Spec.ScaleTargetRef.Name)
	}
	for _, m := range byKind["RoleBinding"] {
		exists(m.RoleRef.Kind, m.RoleRef.Name)
		for _, s := range m.Subjects {
			exists(s.Kind, s.Name)
			exists("Namespace", s.Namespace)
		}
	}
	for _, m := range byKind["InferenceObjective"] {
		exists(m.Spec.PoolRef.Kind, m.Spec.PoolRef.Name)
	}
	for _, m := range byKind["HTTPRoute"] {
		exists("Gateway", m.Spec.ParentRefs[0].Name)
		exists(m.Spec.Rules[0].BackendRefs[0].Kind, m.Spec.Rules[0].BackendRefs[0].Name)
	}
	picker := byKind["InferencePool"]["umbra"].Spec.EndpointPickerRef
	assert.Equal(t, picker.Port.Number, byKind["Service"][picker.Name].Spec.Ports[0].Port)

	pod := byKind["Deployment"]["umbra"].Spec.Template.Spec
	c := pod.Containers[0]
	for _, p := range []probe{c.StartupProbe, c.ReadinessProbe} {
		assert.Equal(t, "/ready", p.HTTPGet.Path)
		assert.True(t, named(pod, p.HTTPGet.Port))
	}
	assert.Equal(t, "/health", c.LivenessProbe.HTTPGet.Path)
	assert.Contains(t, c.Args, "--listen=:8080")
	require.Contains(t, c.Args, "--drain=2m")
	assert.Greater(t, pod.Grace, c.Lifecycle.PreStop.Sleep.Seconds+120, "ends before it is killed")
	assert.GreaterOrEqual(t, byKind["Deployment"]["umbra-epp"].Spec.Template.Spec.Grace, pod.Grace)
}

// TestPicker: the endpoint picker's configuration is one, in which profiles use plugins that are there, and the pods are of its engine.
func TestPicker(t *testing.T) {
	var config struct {
		Plugins []struct {
			Type       string `json:"type"`
			Parameters struct {
				DefaultEngine string      `json:"defaultEngine"`
				Engines       []reference `json:"engineConfigs"`
			} `json:"parameters"`
		} `json:"plugins"`
		Profiles []struct {
			Plugins []struct {
				Ref string `json:"pluginRef"`
			} `json:"plugins"`
		} `json:"schedulingProfiles"`
	}
	m := parse(t, documents(t, manifests+"endpoint-picker.yaml")[0])
	text := m.Data["plugins.yaml"]
	kind, all := read(t, text)
	require.NoError(t, validate(t, kind, all))
	require.NoError(t, yaml.Unmarshal([]byte(text), &config))
	var plugins []string
	engine := ""
	for _, p := range config.Plugins {
		plugins = append(plugins, p.Type)
		if p.Type == "core-metrics-extractor" {
			engine = p.Parameters.DefaultEngine
			assert.Equal(t, engine, p.Parameters.Engines[0].Name)
		}
	}
	for _, p := range config.Profiles[0].Plugins {
		assert.Contains(t, plugins, p.Ref)
	}
	umbra := parse(t, documents(t, manifests+"umbra.yaml")[0])
	assert.Equal(t, engine, umbra.Spec.Template.Metadata.Labels["llm-d.ai/engine-type"])
}

// TestAdapterRules: the autoscaler's metrics are those that the adapter has rules for.
func TestAdapterRules(t *testing.T) {
	rules := strings.Join(documents(t, manifests+"prometheus-adapter-values.yaml"), "")
	asked := regexp.MustCompile(`metric: \{name: (\w+)\}`).FindAllStringSubmatch(strings.Join(documents(t, manifests+"autoscaling.yaml"), ""), -1)
	require.Len(t, asked, 2)
	for _, m := range asked {
		assert.Contains(t, rules, "seriesQuery: "+m[1]+"{")
	}
}
