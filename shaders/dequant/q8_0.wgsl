// Q8_0: a block is 32 i8 times one f16 (ggml block_q8_0).
struct Block { q0: vec4<u32>, q1: vec4<u32>, d0: f32, m0: f32 }
{% template "scale" %}

fn scaled_block(row: u32, b: u32, d: f32) -> Block {
	let i = row * QUANT_VECS + b * 2u;
	return Block(wq[i], wq[i + 1u], d, 0.0);
}

fn bytes(w: u32) -> vec4<f32> {
	return vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(w << 24u, w << 16u, w << 8u, w)) >> vec4<u32>(24u));
}

fn unit0(b: Block) -> Unit { return Unit(bytes(b.q0.x), bytes(b.q0.y)); }
fn unit1(b: Block) -> Unit { return Unit(bytes(b.q0.z), bytes(b.q0.w)); }
fn unit2(b: Block) -> Unit { return Unit(bytes(b.q1.x), bytes(b.q1.y)); }
fn unit3(b: Block) -> Unit { return Unit(bytes(b.q1.z), bytes(b.q1.w)); }

fn load_unit(row: u32, u: u32) -> Unit {
	let q = wq[row * QUANT_VECS + (u >> 1u)];
	let w = select(q.xy, q.zw, (u & 1u) == 1u);
	let d = scale(row, u >> 2u);
	return Unit(bytes(w.x) * d, bytes(w.y) * d);
}
{% template "vec_piece" %}
fn turn(p: Piece) -> Piece { return Piece(p.q.zwzw); }

{% template "hidden_zero" %}
{% template "small_halves" %}
const NORMAL: vec4<f32> = vec4<f32>(16777216.0, 16777216.0, 16777216.0, 16777216.0);
const RAISED: vec4<f32> = vec4<f32>(7.62939453125e-6, 7.62939453125e-6, 7.62939453125e-6, 7.62939453125e-6); // 128
fn raised(w: u32) -> vec4<f32> {
	let flip = 0x00800080u | hidden_zero();
	let even = small_halves((w & 0x00ff00ffu) ^ flip);
	let odd = small_halves(((w >> 8u) & 0x00ff00ffu) ^ flip);
	return vec4<f32>(even.x, odd.x, even.y, odd.y);
}
fn raw0(p: Piece) -> vec4<f32> { return raised(p.q.x); }
fn raw1(p: Piece) -> vec4<f32> { return raised(p.q.y); }
{% template "half_scale" %}
{% template "factors" . %}
