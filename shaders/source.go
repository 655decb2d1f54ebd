package shaders

import (
	"embed"
	"fmt"
	"reflect"
	"strings"
	"text/template"

	"umbra/gpu"
)

//go:embed *.wgsl dequant/*.wgsl lib/*.wgsl
var files embed.FS

// templates holds every shader source. A source is WGSL with `{% %}` actions (text/template) where unrolled code or
// optional bindings need them; constants reach it as a prelude.
var templates = template.Must(template.New("").Delims("{%", "%}").Funcs(template.FuncMap{
	"seq":  seq,
	"mul":  func(a, b int) int { return a * b },
	"div":  func(a, b int) int { return a / b },
	"mod":  func(a, b int) int { return a % b },
	"add":  func(a, b int) int { return a + b },
	"comp": func(i int) string { return string("xyzw"[i]) },
}).ParseFS(files, "*.wgsl", "lib/*.wgsl"))

// decoder is what a decoder's source sees.
type decoder struct {
	Format
	Table bool // pieces' columns come from a table in workgroup memory, which has them less RAISED
}

// dequants holds the decoders by format name, tabled those of formats with a table. They share what lib/dequant.wgsl defines.
var dequants, tabled = func() (plain, tabled map[string]string) {
	plain, tabled = map[string]string{}, map[string]string{}
	shared := template.Must(template.New("").Delims("{%", "%}").ParseFS(files, "dequant/*.wgsl", "lib/dequant.wgsl"))
	render := func(d decoder) string {
		var b strings.Builder
		if err := shared.ExecuteTemplate(&b, d.Name+".wgsl", d); err != nil {
			panic(err)
		}
		return b.String()
	}
	for _, f := range formats {
		plain[f.Name] = render(decoder{Format: f})
		if f.Lookup {
			d := decoder{f, true}
			d.Raised = false
			tabled[f.Name] = render(d)
		}
	}
	return plain, tabled
}()

// seq returns 0..n-1.
func seq(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

// compile specialises a source and compiles it, or returns the kernel compiled before. spec is a struct whose fields
// tagged `wgsl:"NAME"` become constants; the template sees all of it.
func compile(d *gpu.Device, file, name string, spec any) (*gpu.Kernel, error) {
	text, err := specialise(file, spec)
	if err != nil {
		return nil, err
	}
	return d.Kernel(name, text)
}

func specialise(file string, spec any) (string, error) {
	var b strings.Builder
	if err := prelude(&b, reflect.Indirect(reflect.ValueOf(spec))); err != nil {
		return "", fmt.Errorf("shaders: %s: %w", file, err)
	}
	if err := templates.ExecuteTemplate(&b, file, spec); err != nil {
		return "", fmt.Errorf("shaders: %w", err)
	}
	return b.String(), nil
}

// prelude writes one constant for each tagged field, in order.
func prelude(b *strings.Builder, v reflect.Value) error {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.Anonymous && field.Type.Kind() == reflect.Struct {
			if err := prelude(b, v.Field(i)); err != nil {
				return err
			}
			continue
		}
		name := field.Tag.Get("wgsl")
		if name == "" {
			continue
		}
		switch x := v.Field(i); x.Kind() {
		case reflect.Int:
			if x.Int() < 0 || x.Int() > 1<<32-1 {
				return fmt.Errorf("constant %s = %d does not fit u32", name, x.Int())
			}
			fmt.Fprintf(b, "const %s: u32 = %du;\n", name, x.Int())
		case reflect.Float32:
			fmt.Fprintf(b, "const %s: f32 = %s;\n", name, wgslFloat(float32(x.Float())))
		default:
			return fmt.Errorf("constant %s: kind %s has no WGSL form", name, x.Kind())
		}
	}
	return nil
}

// wgslFloat is the shortest decimal form that WGSL reads as an f32.
func wgslFloat(f float32) string {
	s := fmt.Sprintf("%v", f)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

// bindings numbers the bindings of a source as they are declared.
type bindings struct{ n int }

// Binding returns the attributes of the next binding.
func (b *bindings) Binding() string {
	s := fmt.Sprintf("@group(0) @binding(%d)", b.n)
	b.n++
	return s
}
