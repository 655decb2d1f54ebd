// MXFP4: a block is 32 E2M1 numbers times a power of two (OCP Microscaling Formats 1.0; ggml block_mxfp4). Levels are twice theirs, and
// scales half: 2^(e-128).
// A column takes MatvecStream about 4.6 instructions, with 4 rows a lane (counted, for NVIDIA; q4_0 takes 3.9).
{% template "vec_piece" %}
fn turn(p: Piece) -> Piece { return Piece(p.q.yzww); }

// level is what the low 4 bits stand for: of 0, 1, 2, 3, 4, 6, 8, 12, the other half negative. Two exponent bits and one of the mantissa lie
// as in a float, a of 2, 3, 4, 6, 8, 12, 16, 24: the first two stand for a - 2, the others for a / 2.
fn level(n: vec4<u32>) -> vec4<f32> {
	let a = bitcast<vec4<f32>>(((n << vec4<u32>(22u)) & vec4<u32>(0x1c00000u)) | vec4<u32>(0x40000000u));
	return bitcast<vec4<f32>>(bitcast<vec4<u32>>(min(a * 0.5, a - 2.0)) | ((n << vec4<u32>(28u)) & vec4<u32>(0x80000000u)));
}
{% template "levels" . %}

// Scale is what scales four blocks: an exponent each. Those below the smallest normal float are zero.
struct Scale { e: u32 }
fn load_scale(row: u32, b: u32) -> Scale { return Scale(ws[row * SCALE_WORDS + SCALES_AT + (b >> 2u)]); }
fn scale0(s: Scale, b: u32) -> vec2<f32> {
	let e = (s.e >> ((b & 3u) * 8u)) & 255u;
	return vec2<f32>(bitcast<f32>((max(e, 1u) - 1u) << 23u), 0.0);
}
{% template "factors" . %}
{% template "piece_block" . %}
