// BF16: a block is 32 bfloat16, two to a word: the upper halves of f32.
struct Block { q0: vec4<u32>, q1: vec4<u32>, q2: vec4<u32>, q3: vec4<u32>, d0: f32, m0: f32 }
{% template "halves" %}
{% template "pair" %}

fn halves(q: vec4<u32>) -> Unit {
	let even = bitcast<vec4<f32>>(q << vec4<u32>(16u));
	let odd = bitcast<vec4<f32>>(q & vec4<u32>(0xffff0000u));
	return Unit(vec4<f32>(even.x, odd.x, even.y, odd.y), vec4<f32>(even.z, odd.z, even.w, odd.w));
}
{% template "half_piece" %}
