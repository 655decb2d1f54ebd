{%- define "scale" %}
// scale is block b's f16 scale, two to a word.
fn scale(row: u32, b: u32) -> f32 {
	let pair = unpack2x16float(ws[row * SCALE_WORDS + (b >> 1u)]);
	return select(pair.x, pair.y, (b & 1u) == 1u);
}

// Pair is two blocks of a row.
struct Pair { b0: Block, b1: Block }

// load_pair loads blocks b0 and b1, whose scales are in one word: b0 twice, or b0 and the odd one that follows.
fn load_pair(row: u32, b0: u32, b1: u32) -> Pair {
	let pair = unpack2x16float(ws[row * SCALE_WORDS + (b0 >> 1u)]);
	return Pair(scaled_block(row, b0, select(pair.x, pair.y, (b0 & 1u) == 1u)), scaled_block(row, b1, select(pair.x, pair.y, (b1 & 1u) == 1u)));
}

fn load_block(row: u32, b: u32) -> Block { return scaled_block(row, b, scale(row, b)); }
{%- end %}

{%- define "pair" %}
// Pair is two blocks of a row.
struct Pair { b0: Block, b1: Block }
fn load_pair(row: u32, b0: u32, b1: u32) -> Pair { return Pair(load_block(row, b0), load_block(row, b1)); }
{%- end %}

{%- define "nibbles" %}
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

fn load_nibbles(row: u32, u: u32) -> Unit { return nibbles(wq[row * QUANT_VECS + (u >> 2u)][u & 3u]); }
{%- end %}

{%- define "halves" %}
fn load_block(row: u32, b: u32) -> Block {
	let i = row * QUANT_VECS + b * 4u;
	return Block(wq[i], wq[i + 1u], wq[i + 2u], wq[i + 3u], 1.0, 0.0);
}

fn unit0(b: Block) -> Unit { return halves(b.q0); }
fn unit1(b: Block) -> Unit { return halves(b.q1); }
fn unit2(b: Block) -> Unit { return halves(b.q2); }
fn unit3(b: Block) -> Unit { return halves(b.q3); }

fn load_unit(row: u32, u: u32) -> Unit { return halves(wq[row * QUANT_VECS + u]); }
{%- end %}

{%- define "vec_piece" %}
// Piece is what a lane fetches of a row at once: 16 bytes. quad0 and quad1 are its first columns, turn brings the next to the front.
struct Piece { q: vec4<u32> }
fn load_piece(row: u32, i: u32) -> Piece { return Piece(wq[row * QUANT_VECS + i]); }
{%- end %}

{%- define "nibble_piece" %}
{% template "vec_piece" %}
fn turn(p: Piece) -> Piece { return Piece(p.q.yzww); }

// raised puts two nibbles, at bits 12 and 16, into mantissas: 2048 + n and 128 + n, without a conversion.
fn raised(low: u32, high: u32) -> vec4<f32> {
	return bitcast<vec4<f32>>((vec4<u32>(low, low, high, high) & vec4<u32>(0xf000u, 0xf0000u, 0xf000u, 0xf0000u))
		| vec4<u32>(0x45000000u, 0x43000000u, 0x45000000u, 0x43000000u));
}
fn raised0(p: Piece) -> vec4<f32> { return raised(p.q.x << 12u, p.q.x << 4u); }
fn raised1(p: Piece) -> vec4<f32> { return raised(p.q.x >> 4u, p.q.x >> 12u); }
{%- end %}

{%- define "half_piece" %}
{% template "vec_piece" %}
fn quad0(p: Piece) -> vec4<f32> { return halves(p.q).lo; }
fn quad1(p: Piece) -> vec4<f32> { return halves(p.q).hi; }
{%- end %}
