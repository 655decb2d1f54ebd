// F16: a block is 32 f16, two to a word.
struct Block { q0: vec4<u32>, q1: vec4<u32>, q2: vec4<u32>, q3: vec4<u32>, d0: f32, m0: f32 }
{% template "halves" %}
{% template "pair" %}

fn halves(q: vec4<u32>) -> Unit {
	return Unit(vec4<f32>(unpack2x16float(q.x), unpack2x16float(q.y)), vec4<f32>(unpack2x16float(q.z), unpack2x16float(q.w)));
}
{% template "half_piece" %}
