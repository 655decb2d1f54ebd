// F32: a block is 32 f32.
struct Block { q0: vec4<u32>, q1: vec4<u32>, q2: vec4<u32>, q3: vec4<u32>, q4: vec4<u32>, q5: vec4<u32>, q6: vec4<u32>, q7: vec4<u32>, d0: f32, m0: f32 }
{% template "pair" %}

fn load_block(row: u32, b: u32) -> Block {
	let i = row * QUANT_VECS + b * 8u;
	return Block(wq[i], wq[i + 1u], wq[i + 2u], wq[i + 3u], wq[i + 4u], wq[i + 5u], wq[i + 6u], wq[i + 7u], 1.0, 0.0);
}

fn unit0(b: Block) -> Unit { return Unit(bitcast<vec4<f32>>(b.q0), bitcast<vec4<f32>>(b.q1)); }
fn unit1(b: Block) -> Unit { return Unit(bitcast<vec4<f32>>(b.q2), bitcast<vec4<f32>>(b.q3)); }
fn unit2(b: Block) -> Unit { return Unit(bitcast<vec4<f32>>(b.q4), bitcast<vec4<f32>>(b.q5)); }
fn unit3(b: Block) -> Unit { return Unit(bitcast<vec4<f32>>(b.q6), bitcast<vec4<f32>>(b.q7)); }

fn load_unit(row: u32, u: u32) -> Unit {
	let i = row * QUANT_VECS + u * 2u;
	return Unit(bitcast<vec4<f32>>(wq[i]), bitcast<vec4<f32>>(wq[i + 1u]));
}

struct Piece { a: vec4<u32>, b: vec4<u32> }
fn load_piece(row: u32, i: u32) -> Piece {
	let at = row * QUANT_VECS + i * 2u;
	return Piece(wq[at], wq[at + 1u]);
}
fn raw0(p: Piece) -> vec4<f32> { return bitcast<vec4<f32>>(p.a); }
fn raw1(p: Piece) -> vec4<f32> { return bitcast<vec4<f32>>(p.b); }
