// IQ4_XS: a block is 32 nibbles n, value d * scale * level(n), d that of 8 blocks (ggml block_iq4_xs).
// A column takes MatvecStream about 4.7 instructions, with 4 rows a lane (counted, for NVIDIA; q4_0 takes 3.9).
{% template "levels_iq4" . %}

// Scale is what scales four blocks: an i8 each, and their super-block's d.
struct Scale { small: u32, d: f32 }
fn load_scale(row: u32, b: u32) -> Scale {
	let at = row * SCALE_WORDS;
	return Scale(ws[at + SMALL_AT + (b >> 2u)], bitcast<f32>(ws[at + SCALES_AT + (b >> 3u)]));
}
fn scale0(s: Scale, b: u32) -> vec2<f32> { return vec2<f32>(s.d * f32(bitcast<i32>(s.small << (24u - (b & 3u) * 8u)) >> 24u), 0.0); }
{% template "factors" . %}
{% template "piece_block" . %}
