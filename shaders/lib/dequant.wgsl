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
// Piece is what a lane fetches of a row at once: 16 bytes. raw0 and raw1 are its first columns, of quantised formats above what they stand
// for by RAISED and not scaled; turn brings the next to the front.
struct Piece { q: vec4<u32> }
fn load_piece(row: u32, i: u32) -> Piece { return Piece(wq[row * QUANT_VECS + i]); }
{%- end %}

{%- define "hidden_zero" %}
// hidden_zero is 0, which no compiler knows. NVIDIA's then keeps a constant that it is part of in a register, so that a mask and that
// constant are one instruction (LOP3) and not two: a matvec of q4_0 28672x4096 takes 31.6 us on an H200 without.
fn hidden_zero() -> u32 { return step.rows >> 31u; }
{%- end %}

{%- define "small_halves" %}
// small_halves are the two numbers below 1024 in a word's halves times 2^-24, as which subnormal halves can be read: two for one mask, and exact.
// WGSL lets a device read them as 0; there FLUSHED is 1.
fn small_halves(w: u32) -> vec2<f32> {
	if (FLUSHED == 1u) { return vec2<f32>(f32(w & 0xffffu), f32(w >> 16u)) * 5.9604644775390625e-8; }
	return unpack2x16float(w);
}
{%- end %}

{%- define "nibble_piece" %}
{% template "vec_piece" %}
fn turn(p: Piece) -> Piece { return Piece(p.q.yzww); }
{% template "small_halves" %}

// NORMAL takes columns to nibbles; SMALL is what it takes to 1. Nibbles of odd columns stand 4 bits up.
const NORMAL: vec4<f32> = vec4<f32>(16777216.0, 1048576.0, 16777216.0, 1048576.0);
const SMALL: vec4<f32> = vec4<f32>(5.9604644775390625e-8, 9.5367431640625e-7, 5.9604644775390625e-8, 9.5367431640625e-7);
fn raw0(p: Piece) -> vec4<f32> {
	let far = p.q.x >> 8u;
	return vec4<f32>(small_halves(p.q.x & 0x000f000fu).x, small_halves(p.q.x & 0x00f000f0u).x, small_halves(far & 0x000f000fu).x, small_halves(far & 0x00f000f0u).x);
}
fn raw1(p: Piece) -> vec4<f32> {
	let far = p.q.x >> 8u;
	return vec4<f32>(small_halves(p.q.x & 0x000f000fu).y, small_halves(p.q.x & 0x00f000f0u).y, small_halves(far & 0x000f000fu).y, small_halves(far & 0x00f000f0u).y);
}
{%- end %}

{%- define "half_piece" %}
{% template "vec_piece" %}
fn raw0(p: Piece) -> vec4<f32> { return halves(p.q).lo; }
fn raw1(p: Piece) -> vec4<f32> { return halves(p.q).hi; }
{%- end %}

{%- define "half_scale" %}
// Scale is what scales two blocks: an f16 for each. scale0 is block b's, and no offset.
struct Scale { d: u32 }
fn load_scale(row: u32, b: u32) -> Scale { return Scale(ws[row * SCALE_WORDS + SCALES_AT + (b >> 1u)]); }
fn scale0(s: Scale, b: u32) -> vec2<f32> {
	let pair = unpack2x16float(s.d);
	return vec2<f32>(select(pair.x, pair.y, (b & 1u) == 1u), 0.0);
}
{%- end %}

{%- define "half_scale_offset" %}
// Scale is a block's scale and offset, two f16.
struct Scale { d: u32 }
fn load_scale(row: u32, b: u32) -> Scale { return Scale(ws[row * SCALE_WORDS + SCALES_AT + b]); }
fn scale0(s: Scale, b: u32) -> vec2<f32> { return unpack2x16float(s.d); }
{%- end %}

{%- define "factors" %}
// Factors are d and what takes d times a raised value to the value.{% if not .Offset %} Both products are exact, so the value is, but for one rounding.{% end %}
{%- if .Small %}
struct Factors { d: vec4<f32>, plus: f32 }
fn factors(x: vec2<f32>) -> Factors { return Factors(x.x * NORMAL, {% if .Offset %}x.y{% else if not .Raised %}0.0{% end %}{% if .Raised %} - x.x * (NORMAL.x * RAISED.x){% end %}); }
fn quad0(p: Piece, f: Factors) -> vec4<f32> { return fma(raw0(p), f.d, vec4<f32>(f.plus)); }
fn quad1(p: Piece, f: Factors) -> vec4<f32> { return fma(raw1(p), f.d, vec4<f32>(f.plus)); }
{%- else %}
struct Factors { d: f32{% if or .Raised .Offset %}, plus: vec4<f32>{% end %} }
fn factors(x: vec2<f32>) -> Factors { return Factors(x.x{% if .Raised %}, {% if .Offset %}x.y {% end %}-x.x * RAISED{% else if .Offset %}, vec4<f32>(x.y){% end %}); }
{%- if or .Raised .Offset %}
fn quad0(p: Piece, f: Factors) -> vec4<f32> { return fma(raw0(p), vec4<f32>(f.d), f.plus); }
fn quad1(p: Piece, f: Factors) -> vec4<f32> { return fma(raw1(p), vec4<f32>(f.d), f.plus); }
{%- else %}
fn quad0(p: Piece, f: Factors) -> vec4<f32> { return raw0(p) * f.d; }
fn quad1(p: Piece, f: Factors) -> vec4<f32> { return raw1(p) * f.d; }
{%- end %}
{%- end %}
{%- end %}

{%- define "piece_block" %}
// Block is a piece and what scales its values{% if .Halves %}, the first 16 and the others{% end %}.
struct Block { p: Piece, d0: f32, m0: f32{% if .Halves %}, d1: f32, m1: f32{% end %} }
{% template "pair" %}

fn load_block(row: u32, b: u32) -> Block {
	let s = load_scale(row, b);
	let x0 = scale0(s, b);
{%- if .Halves %}
	let x1 = scale1(s, b);
{%- end %}
	return Block(load_piece(row, b), x0.x, x0.y{% if .Halves %}, x1.x, x1.y{% end %});
}

fn lowered(p: Piece) -> Unit {
	return Unit((raw0(p){% if .Raised %} - RAISED{% end %}){% if .Small %} * NORMAL{% end %}, (raw1(p){% if .Raised %} - RAISED{% end %}){% if .Small %} * NORMAL{% end %});
}
fn unit0(b: Block) -> Unit { return lowered(b.p); }
fn unit1(b: Block) -> Unit { return lowered(turn(b.p)); }
fn unit2(b: Block) -> Unit { return lowered(turn(turn(b.p))); }
fn unit3(b: Block) -> Unit { return lowered(turn(turn(turn(b.p)))); }

fn load_unit(row: u32, u: u32) -> Unit {
	let b = load_block(row, u >> 2u);
	var p = b.p;
	for (var i = 0u; i < (u & 3u); i++) { p = turn(p); }
	let w = lowered(p);
{%- if .Halves %}
	let second = (u & 2u) == 2u;
	let d = select(b.d0, b.d1, second);
	let m = select(b.m0, b.m1, second);
{%- else %}
	let d = b.d0;
	let m = b.m0;
{%- end %}
	return Unit(w.lo * d{% if .Offset %} + m{% end %}, w.hi * d{% if .Offset %} + m{% end %});
}
{%- end %}

{%- define "byte_halves" %}
// small_bytes are what mask leaves of 8 columns, 0, 2, 4, 6 and 1, 3, 5, 7 as bytes: half a mask, a quarter of a shift and a conversion a column.
const NORMAL: vec4<f32> = vec4<f32>(16777216.0, 16777216.0, 16777216.0, 16777216.0);
const SMALL: vec4<f32> = vec4<f32>(5.9604644775390625e-8, 5.9604644775390625e-8, 5.9604644775390625e-8, 5.9604644775390625e-8);
{% template "small_halves" %}
fn raw0(p: Piece) -> vec4<f32> {
	let e = even(p);
	let o = odd(p);
	return vec4<f32>(small_halves(e & BYTES).x, small_halves(o & BYTES).x, small_halves((e >> 8u) & BYTES).x, small_halves((o >> 8u) & BYTES).x);
}
fn raw1(p: Piece) -> vec4<f32> {
	let e = even(p);
	let o = odd(p);
	return vec4<f32>(small_halves(e & BYTES).y, small_halves(o & BYTES).y, small_halves((e >> 8u) & BYTES).y, small_halves((o >> 8u) & BYTES).y);
}
{%- end %}

{%- define "fifth_bits" %}
// Piece has nibbles in column order, and in bit 8k + 2u + i of h the fifth bit of column 8u + 2k + i.
struct Piece { q: vec4<u32>, h: u32 }
fn load_piece(row: u32, i: u32) -> Piece { return Piece(wq[row * QUANT_VECS + i], ws[row * SCALE_WORDS + i]); }
fn turn(p: Piece) -> Piece { return Piece(p.q.yzww, p.h >> 2u); }

// even and odd are columns 0, 2, 4, 6 and 1, 3, 5, 7 as bytes, with what does not count above 5 bits: 0.75 operations a column.
fn even(p: Piece) -> u32 { return (p.q.x & 0x0f0f0f0fu) | ((p.h << 4u) & 0xf0f0f0f0u); }
fn odd(p: Piece) -> u32 { return ((p.q.x >> 4u) & 0x0f0f0f0fu) | ((p.h << 3u) & 0xf0f0f0f0u); }
const BYTES: u32 = 0x001f001fu;
{% template "byte_halves" %}
{%- end %}

{%- define "byte_scales" %}
// Scale is what scales two blocks: a byte of scale and one of minimum each, and their super-block's d and dmin.
struct Scale { small: u32, d: u32 }
fn load_scale(row: u32, b: u32) -> Scale {
	let at = row * SCALE_WORDS;
	return Scale(ws[at + SMALL_AT + (b >> 1u)], ws[at + SCALES_AT + (b >> 3u)]);
}
fn scale0(s: Scale, b: u32) -> vec2<f32> {
	let small = s.small >> ((b & 1u) << 4u);
	let d = unpack2x16float(s.d);
	return vec2<f32>(d.x * f32(small & 255u), -d.y * f32((small >> 8u) & 255u));
}
{%- end %}

{%- define "levels" %}
{%- if .Table %}
// table has the levels, which neighbouring lanes read from banks of their own, or the same word: 4 instructions a column (shift, mask, load,
// multiply-add) and none for an offset.
var<workgroup> table: array<f32, 16>;
fn fill_table(lane: u32) {
	if (lane < 16u) { table[lane] = level(vec4<u32>(lane)).x - RAISED.x; }
}
fn raw0(p: Piece) -> vec4<f32> { return vec4<f32>(table[p.q.x & 15u], table[(p.q.x >> 4u) & 15u], table[(p.q.x >> 8u) & 15u], table[(p.q.x >> 12u) & 15u]); }
fn raw1(p: Piece) -> vec4<f32> { return vec4<f32>(table[(p.q.x >> 16u) & 15u], table[(p.q.x >> 20u) & 15u], table[(p.q.x >> 24u) & 15u], table[p.q.x >> 28u]); }
{%- else %}
fn raw0(p: Piece) -> vec4<f32> { return level(vec4<u32>(p.q.x, p.q.x >> 4u, p.q.x >> 8u, p.q.x >> 12u)); }
fn raw1(p: Piece) -> vec4<f32> { return level(vec4<u32>(p.q.x >> 16u, p.q.x >> 20u, p.q.x >> 24u, p.q.x >> 28u)); }
{%- end %}
{%- end %}

{%- define "levels_iq4" %}
{% template "vec_piece" %}
fn turn(p: Piece) -> Piece { return Piece(p.q.yzww); }
{% template "hidden_zero" %}
const RAISED: vec4<f32> = vec4<f32>(384.0, 384.0, 384.0, 384.0);

// level is 384 above what the low 4 bits stand for: of -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113. These are
// whole numbers next to a polynomial of degree 4, by 0.433 at most. Between 256 and 512 the mantissa's last 15 bits are the fraction.
fn level(n: vec4<u32>) -> vec4<f32> {
	let t = bitcast<vec4<f32>>(((n << vec4<u32>(19u)) & vec4<u32>(0x780000u)) | vec4<u32>(0x41800000u | hidden_zero())) - 23.5;
	let v = fma(fma(fma(fma(t, vec4<f32>(0.00158604258), vec4<f32>(0.0786676796)), t, vec4<f32>(-0.137192704)), t, vec4<f32>(11.5172086)), t, vec4<f32>(380.198751));
	return bitcast<vec4<f32>>(bitcast<vec4<u32>>(v) & vec4<u32>(0xffff8000u));
}
{% template "levels" . %}
{%- end %}
