// Q2_K: a block is 32 q of 2 bits, value d * scale * q - dmin * minimum, with 4 bits of scale and of minimum for each 16 columns and d and
// dmin for 8 blocks (ggml block_q2_K). Piece has column 8u + i at bit 2i of word u if u < 2, else at bit 2i + 16 of word u - 2.
// A column takes MatvecStream about 4.2 instructions, with 4 rows a lane (counted, for NVIDIA; q4_0 takes 3.9).
struct Piece { q: vec2<u32> }
fn load_piece(row: u32, i: u32) -> Piece { return Piece(wq[row * QUANT_VECS + i]); }
fn turn(p: Piece) -> Piece { return Piece(vec2<u32>(p.q.y, p.q.x >> 16u)); }
{% template "hidden_zero" %}

// raised puts two neighbours in mantissas with one shift, the first at bit 19, 16 + q, the second at bit 21, 4 + q. A column takes 0.63
// shifts and a LOP3.
fn raised(a: u32, b: u32) -> vec4<f32> {
	let v = vec2<u32>(a, b);
	let first = bitcast<vec2<f32>>((v & vec2<u32>(0x180000u)) | vec2<u32>(0x41800000u | hidden_zero()));
	let second = bitcast<vec2<f32>>((v & vec2<u32>(0x600000u)) | vec2<u32>(0x40800000u | hidden_zero()));
	return vec4<f32>(first.x, second.x, first.y, second.y);
}
fn raw0(p: Piece) -> vec4<f32> { return raised(p.q.x << 19u, p.q.x << 15u); }
fn raw1(p: Piece) -> vec4<f32> { return raised(p.q.x << 11u, p.q.x << 7u); }
const RAISED: vec4<f32> = vec4<f32>(16.0, 4.0, 16.0, 4.0);

// Scale is what scales two blocks: two bytes each of scale (low) and minimum, and their super-block's d and dmin.
struct Scale { small: u32, d: u32 }
fn load_scale(row: u32, b: u32) -> Scale {
	let at = row * SCALE_WORDS;
	return Scale(ws[at + SMALL_AT + (b >> 1u)], ws[at + SCALES_AT + (b >> 3u)]);
}
fn scale_at(s: Scale, bit: u32) -> vec2<f32> {
	let small = s.small >> bit;
	let d = unpack2x16float(s.d);
	return vec2<f32>(d.x * f32(small & 15u), -d.y * f32((small >> 4u) & 15u));
}
fn scale0(s: Scale, b: u32) -> vec2<f32> { return scale_at(s, (b & 1u) << 4u); }
fn scale1(s: Scale, b: u32) -> vec2<f32> { return scale_at(s, ((b & 1u) << 4u) + 8u); }
{% template "factors" . %}
{% template "piece_block" . %}
