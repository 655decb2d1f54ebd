package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	// What follows is here for the schemas that lie in its modules; go.mod keeps the versions.
	_ "k8s.io/kubectl/pkg/util/slice"
	_ "sigs.k8s.io/gateway-api-inference-extension/api"
	_ "sigs.k8s.io/gateway-api/pkg/consts"
)

const (
	kubectl   = "k8s.io/kubectl"
	gateway   = "sigs.k8s.io/gateway-api"
	inference = "sigs.k8s.io/gateway-api-inference-extension"
)

// sources say where the schema of a kind is: module, file, and the place in that.
var sources = map[string]struct{ module, file, at string }{
	"v1 ConfigMap":             {kubectl, "testdata/openapi/v3/api/v1.json", "components/schemas/io.k8s.api.core.v1.ConfigMap"},
	"v1 Namespace":             {kubectl, "testdata/openapi/v3/api/v1.json", "components/schemas/io.k8s.api.core.v1.Namespace"},
	"v1 PersistentVolumeClaim": {kubectl, "testdata/openapi/v3/api/v1.json", "components/schemas/io.k8s.api.core.v1.PersistentVolumeClaim"},
	"v1 Service":               {kubectl, "testdata/openapi/v3/api/v1.json", "components/schemas/io.k8s.api.core.v1.Service"},
	"v1 ServiceAccount":        {kubectl, "testdata/openapi/v3/api/v1.json", "components/schemas/io.k8s.api.core.v1.ServiceAccount"},
	"apps/v1 Deployment":       {kubectl, "testdata/openapi/v3/apis/apps/v1.json", "components/schemas/io.k8s.api.apps.v1.Deployment"},
	"autoscaling/v2 HorizontalPodAutoscaler": {kubectl, "testdata/openapi/v3/apis/autoscaling/v2.json",
		"components/schemas/io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler"},
	// v1 has the fields of v1beta1.
	"policy/v1 PodDisruptionBudget":            {kubectl, "testdata/openapi/swagger.json", "definitions/io.k8s.api.policy.v1beta1.PodDisruptionBudget"},
	"rbac.authorization.k8s.io/v1 Role":        {kubectl, "testdata/openapi/swagger.json", "definitions/io.k8s.api.rbac.v1.Role"},
	"rbac.authorization.k8s.io/v1 RoleBinding": {kubectl, "testdata/openapi/swagger.json", "definitions/io.k8s.api.rbac.v1.RoleBinding"},
	"gateway.networking.k8s.io/v1 Gateway":     {gateway, "config/crd/standard/gateway.networking.k8s.io_gateways.yaml", "spec/versions/0/schema/openAPIV3Schema"},
	"gateway.networking.k8s.io/v1 HTTPRoute":   {gateway, "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml", "spec/versions/0/schema/openAPIV3Schema"},
	"inference.networking.k8s.io/v1 InferencePool": {inference, "config/crd/bases/inference.networking.k8s.io_inferencepools.yaml",
		"spec/versions/0/schema/openAPIV3Schema"},
}

// schemas finds and keeps the schemas of kinds.
type schemas struct {
	compiler *jsonschema.Compiler
	loaded   map[string]bool
	own      map[string]any
}

// known are all schemas; large files are read once.
var known = sync.OnceValues(func() (*schemas, error) {
	data, err := os.ReadFile("schemas.yaml")
	if err != nil {
		return nil, err
	}
	s := &schemas{compiler: jsonschema.NewCompiler(), loaded: map[string]bool{}}
	s.compiler.DefaultDraft(jsonschema.Draft4) // which OpenAPI's schemas build on
	return s, yaml.UnmarshalStrict(data, &s.own)
})

// validate checks a document by the schema of its kind.
func validate(t *testing.T, kind string, document any) error {
	t.Helper()
	s, err := known()
	require.NoError(t, err)
	return s.validate(kind, document)
}

// validate checks a document of a kind, "GROUP/VERSION KIND".
func (s *schemas) validate(kind string, document any) error {
	at := "own:" + strings.ReplaceAll(kind, " ", "/")
	if own, is := s.own[kind]; is {
		if !s.loaded[at] {
			s.loaded[at] = true
			if err := s.compiler.AddResource(at, closed(own)); err != nil {
				return err
			}
		}
	} else {
		source, is := sources[kind]
		if !is {
			return fmt.Errorf("no schema of %q is known", kind)
		}
		name := source.module + "/" + source.file
		at = "file:///" + name + "#/" + source.at
		if !s.loaded[name] {
			s.loaded[name] = true
			folder, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", source.module).Output()
			if err != nil {
				return fmt.Errorf("where is %s? %w", source.module, err)
			}
			data, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(folder)), source.file))
			if err == nil && filepath.Ext(source.file) == ".yaml" {
				data, err = yaml.YAMLToJSON(data)
			}
			if err != nil {
				return err
			}
			all, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
			if err != nil {
				return err
			}
			if err := s.compiler.AddResource("file:///"+name, closed(all)); err != nil {
				return err
			}
		}
	}
	schema, err := s.compiler.Compile(at)
	if err != nil {
		return err
	}
	data, err := json.Marshal(document)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// closed has schemas refuse fields that they do not name, as API servers do when asked to be strict. What is an integer or a text is
// either, which older schemas cannot say.
func closed(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = closed(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = closed(v[k])
		}
		if values, is := v["enum"].([]any); is { // some list a value twice
			v["enum"] = slices.CompactFunc(values, func(a, b any) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
		}
		if v["format"] == "int-or-string" || v["x-kubernetes-int-or-string"] == true {
			delete(v, "type")
		}
		_, named := v["properties"].(map[string]any)
		_, said := v["additionalProperties"]
		if named && !said && v["x-kubernetes-preserve-unknown-fields"] == nil {
			v["additionalProperties"] = false
		}
	}
	return v
}
