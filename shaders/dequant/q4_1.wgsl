// Q4_1: a block is 32 nibbles q, value d * q + m (ggml block_q4_1; nibbles repacked into column order).
struct Block { q: vec4<u32>, d: f32, m: f32 }

fn load_block(row: u32, b: u32) -> Block {
	let s = unpack2x16float(ws[row * SCALE_WORDS + b]);
	return Block(wq[row * QUANT_VECS + b], s.x, s.y);
}

// nibbles converts bytes, which GPUs do without shifting.
fn nibbles(w: u32) -> Unit {
	let e = w & 0x0f0f0f0fu; // columns 0, 2, 4, 6
	let o = (w >> 4u) & 0x0f0f0f0fu;
	return Unit(vec4<f32>(f32(e & 255u), f32(o & 255u), f32((e >> 8u) & 255u), f32((o >> 8u) & 255u)),
		vec4<f32>(f32((e >> 16u) & 255u), f32((o >> 16u) & 255u), f32(e >> 24u), f32(o >> 24u)));
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
