package shaders_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu/gputest"
	"umbra/shaders"
)

// reserved are WGSL's reserved words (W3C WGSL, section 16.2), which some front ends let pass and others refuse.
const reserved = `NULL Self abstract active alignas alignof as asm asm_fragment async attribute auto await become
binding_array cast catch class co_await co_return co_yield coherent column_major common compile compile_fragment concept
const_cast consteval constexpr constinit crate debugger decltype delete demote demote_to_helper do dynamic_cast enum
explicit export extends extern external fallthrough filter final finally friend from fxgroup get goto groupshared highp
impl implements import inline instanceof interface layout lowp macro macro_rules match mediump meta mod module move mut
mutable namespace new nil noexcept noinline nointerpolation non_coherent noncoherent noperspective null nullptr of
operator package packoffset partial pass patch pixelfragment precise precision premerge priv protected pub public
readonly ref regardless register reinterpret_cast require resource restrict self set shared sizeof smooth snorm static
static_assert static_cast std subroutine super target template this thread_local throw trait try type typedef typeid
typename typeof union unless unorm unsafe unsized use using varying virtual volatile wgsl where with writeonly yield`

var (
	comment    = regexp.MustCompile(`//[^\n]*`)
	identifier = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*`)
	constant   = regexp.MustCompile(`const (\w+): u32 = (\d+)u;`)
	workgroup  = regexp.MustCompile(`var<workgroup> \w+: array<(?:array<([\w<>]+), (\w+)>|([\w<>]+)), (\w+)>;`)
	invocation = regexp.MustCompile(`@workgroup_size\((\d+)\)`)
	beyondCore = regexp.MustCompile(`\b(enable|override|requires|f16|subgroup\w*|dot4I8Packed|dot4U8Packed)\b`)
)

// TestPortableWGSL checks every specialised shader for words outside core WGSL, and that it keeps within the memory and
// invocations that every adapter gives a workgroup, which drivers with more do not check. It runs after TestCases has compiled them.
func TestPortableWGSL(t *testing.T) {
	d := gputest.Device(t)
	for _, c := range shaders.Cases() { // compiled before, if TestCases ran
		require.NoError(t, c.Compile(d, shaders.Tuning{}), c.Name)
	}
	words := map[string]bool{}
	for _, w := range strings.Fields(reserved) {
		words[w] = true
	}
	require.NotEmpty(t, d.Kernels())
	for _, k := range d.Kernels() {
		text := comment.ReplaceAllString(k.WGSL, "")
		for _, w := range identifier.FindAllString(text, -1) {
			assert.False(t, words[w], "%s: %q is reserved", k.Name, w)
		}
		memory, lanes := footprint(t, text)
		assert.LessOrEqual(t, memory, 16<<10, "%s: workgroup memory", k.Name)
		assert.LessOrEqual(t, lanes, 256, "%s: invocations", k.Name)
		assert.Empty(t, beyondCore.FindAllString(text, -1), k.Name)
	}
}

// footprint is the workgroup memory in bytes and the invocations that a specialised shader asks for.
func footprint(t *testing.T, text string) (memory, lanes int) {
	constants := map[string]int{}
	for _, m := range constant.FindAllStringSubmatch(text, -1) {
		constants[m[1]], _ = strconv.Atoi(m[2])
	}
	require.Equal(t, strings.Count(text, "var<workgroup>"), len(workgroup.FindAllString(text, -1)))
	count := func(s string) int {
		n, ok := constants[s]
		if !ok {
			var err error
			n, err = strconv.Atoi(s)
			require.NoError(t, err)
		}
		return n
	}
	for _, m := range workgroup.FindAllStringSubmatch(text, -1) {
		n := count(m[4])
		if m[2] != "" { // an array of arrays
			n *= count(m[2])
		}
		size, ok := map[string]int{"f32": 4, "u32": 4, "vec2<f32>": 8, "vec4<f32>": 16, "vec4<u32>": 16}[m[1]+m[3]]
		require.True(t, ok, m[0])
		memory += n * size
	}
	require.Len(t, invocation.FindAllString(text, -1), 1)
	lanes, err := strconv.Atoi(invocation.FindStringSubmatch(text)[1])
	require.NoError(t, err)
	return memory, lanes
}
