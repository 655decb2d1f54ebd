// Q8_0: a block is 32 i8 times one f16 (ggml block_q8_0).
struct Block { q0: vec4<u32>, q1: vec4<u32>, d: f32, m: f32 }
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

// Factors are d and d times what takes 384 + q, a byte in a mantissa, to q: exact, as both products are.
struct Factors { d: f32, minus: f32 }
fn factors(word: u32, odd: bool) -> Factors {
	let pair = unpack2x16float(word);
	let d = select(pair.x, pair.y, odd);
	return Factors(d, -384.0 * d);
}
fn quad(w: u32, f: Factors) -> vec4<f32> {
	let raised = bitcast<vec4<f32>>((vec4<u32>(w << 15u, w << 7u, w >> 1u, w >> 9u) & vec4<u32>(0x7f8000u)) ^ vec4<u32>(0x43c00000u));
	return fma(raised, vec4<f32>(f.d), vec4<f32>(f.minus));
}
fn quad0(p: Piece, f: Factors) -> vec4<f32> { return quad(p.q.x, f); }
fn quad1(p: Piece, f: Factors) -> vec4<f32> { return quad(p.q.y, f); }
