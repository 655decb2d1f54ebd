// MXFP4: a block is 32 E2M1 numbers times a power of two (OCP Microscaling Formats 1.0; ggml block_mxfp4). Levels are twice theirs, and
// scales half: 2^(e-128).
{% template "vec_piece" %}
fn turn(p: Piece) -> Piece { return Piece(p.q.yzww); }

// An E2M1 number is a half times 2^14 if its three low bits are bits 9 to 11 there, and its sign bit 15: that of both exponent 0 and
// mantissa 1 too, which is subnormal in both. Bits of columns i and 4 + i of 8 lie in both halves of a word so that they come to their places by a
// shift of 3i to the left; the signs of the third and fourth by one of i - 1. A column takes 0.63 masks, 0.75 shifts and a conversion.
const NORMAL: vec4<f32> = vec4<f32>(32768.0, 32768.0, 32768.0, 32768.0);

// minifloats are two columns. WGSL lets a device read subnormal halves as 0; there FLUSHED is 1. In a float 2, 3, 4, 6, 8, 12, 16, 24 have a column's three
// bits at 22 to 24: the first two stand for those less 2, the others for half of them.
fn minifloats(w: u32) -> vec2<f32> {
	if (FLUSHED == 1u) {
		let v = vec2<u32>(w << 16u, w & 0xffff0000u);
		let a = bitcast<vec2<f32>>(((v >> vec2<u32>(3u)) & vec2<u32>(0x1c00000u)) | vec2<u32>(0x40000000u));
		return bitcast<vec2<f32>>(bitcast<vec2<u32>>(min(a * 0.5, a - 2.0) / NORMAL.x) | (v & vec2<u32>(0x80000000u)));
	}
	return unpack2x16float(w);
}
fn third(w: u32) -> vec2<f32> { return minifloats(((w << 6u) & 0x0e000e00u) | ((w << 1u) & 0x80008000u)); }
fn fourth(w: u32) -> vec2<f32> { return minifloats(((w << 9u) & 0x0e000e00u) | ((w << 2u) & 0x80008000u)); }
fn raw0(p: Piece) -> vec4<f32> { return vec4<f32>(minifloats(p.q.x & 0x8e008e00u).x, minifloats((p.q.x << 3u) & 0x8e008e00u).x, third(p.q.x).x, fourth(p.q.x).x); }
fn raw1(p: Piece) -> vec4<f32> { return vec4<f32>(minifloats(p.q.x & 0x8e008e00u).y, minifloats((p.q.x << 3u) & 0x8e008e00u).y, third(p.q.x).y, fourth(p.q.x).y); }

// Scale is what scales four blocks: an exponent each. Those below the smallest normal float are zero.
struct Scale { e: u32 }
fn load_scale(row: u32, b: u32) -> Scale { return Scale(ws[row * SCALE_WORDS + SCALES_AT + (b >> 2u)]); }
fn scale0(s: Scale, b: u32) -> vec2<f32> {
	let e = (s.e >> ((b & 3u) * 8u)) & 255u;
	return vec2<f32>(bitcast<f32>((max(e, 1u) - 1u) << 23u), 0.0);
}
{% template "factors" . %}
{% template "piece_block" . %}
