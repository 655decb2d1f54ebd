// BF16: a block is 32 bfloat16, two to a word: the upper halves of f32.
struct Block { q0: vec4<u32>, q1: vec4<u32>, q2: vec4<u32>, q3: vec4<u32>, d: f32, m: f32 }

fn load_block(row: u32, b: u32) -> Block {
	let i = row * QUANT_VECS + b * 4u;
	return Block(wq[i], wq[i + 1u], wq[i + 2u], wq[i + 3u], 1.0, 0.0);
}

fn halves(q: vec4<u32>) -> Unit {
	let even = bitcast<vec4<f32>>(q << vec4<u32>(16u));
	let odd = bitcast<vec4<f32>>(q & vec4<u32>(0xffff0000u));
	return Unit(vec4<f32>(even.x, odd.x, even.y, odd.y), vec4<f32>(even.z, odd.z, even.w, odd.w));
}

fn unit0(b: Block) -> Unit { return halves(b.q0); }
fn unit1(b: Block) -> Unit { return halves(b.q1); }
fn unit2(b: Block) -> Unit { return halves(b.q2); }
fn unit3(b: Block) -> Unit { return halves(b.q3); }

fn load_unit(row: u32, u: u32) -> Unit { return halves(wq[row * QUANT_VECS + u]); }
