// Q4_1: a block is 32 nibbles q, value d * q + m (ggml block_q4_1; nibbles repacked into column order).
struct Block { q: vec4<u32>, d: f32, m: f32 }

fn load_block(row: u32, b: u32) -> Block {
	let s = unpack2x16float(ws[row * SCALE_WORDS + b]);
	return Block(wq[row * QUANT_VECS + b], s.x, s.y);
}

fn nibbles(w: u32) -> Unit {
	let lo = vec4<u32>(w, w >> 4u, w >> 8u, w >> 12u) & vec4<u32>(15u);
	let hi = vec4<u32>(w >> 16u, w >> 20u, w >> 24u, w >> 28u) & vec4<u32>(15u);
	return Unit(vec4<f32>(lo), vec4<f32>(hi));
}

fn unit0(b: Block) -> Unit { return nibbles(b.q.x); }
fn unit1(b: Block) -> Unit { return nibbles(b.q.y); }
fn unit2(b: Block) -> Unit { return nibbles(b.q.z); }
fn unit3(b: Block) -> Unit { return nibbles(b.q.w); }

fn load_unit(row: u32, u: u32) -> Unit {
	let w = nibbles(wq[row * QUANT_VECS + (u >> 2u)][u & 3u]);
	let s = unpack2x16float(ws[row * SCALE_WORDS + (u >> 2u)]);
	return Unit(w.lo * s.x + s.y, w.hi * s.x + s.y);
}
