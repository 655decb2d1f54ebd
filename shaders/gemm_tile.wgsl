// GemmTile computes what Matvec does for many token rows, of weights with 2 or 4 bytes. A workgroup multiplies ROWS weight rows with TOKENS
// tokens, a step of a few columns at a time, through workgroup memory. A group of 32 lanes is 8 lanes' weight rows by 4 lanes' tokens, so that
// it reads few addresses at once; a lane keeps LANE_ROWS x LANE_TOKENS sums in registers. Neighbouring lanes bring neighbouring columns of a
// row, fetched a step ahead, so that they arrive during the sums.
// Workgroup memory holds vectors of 4 columns of a row (fewer stores), or of 4 rows of a column (Turned: fewer registers).
// Workgroups share rows a number of parts to a set, each with a span of columns; GemmJoin adds them up.
// Nothing depends on which lanes run together but the time taken.
// Grid: x = tiles of tokens * parts, ceil(N / ROWS) workgroups folded into (y, z): those in flight together share weights.
// Bindings: step, x, quants, y, [gain], [bias], [input, kv]. The loop takes TURNS turns of STEPS steps; a step takes WORDS_W vectors of 16 bytes of a
// weight row and WORDS_X of x.
{% template "linear_bindings" . %}
struct Unit { lo: vec4<f32>, hi: vec4<f32> }
{% .Dequant %}
// {% if .Turned %}[buffer][column of a 16-byte vector of a row][vector of a row][vector of a lane][lane], the first two in one, and the others{% else %}[buffer][4 columns][row of a lane][lane], the first three in one{% end %}.
// What depends on the lane is all in one index, because front ends check each.
var<workgroup> wtile: array<array<vec4<f32>, W_PITCH>, W_CELLS>;
var<workgroup> xtile: array<array<vec4<f32>, X_PITCH>, X_CELLS>;

// along is which of the count vectors of a row item i is, place which row: of 8 lanes, 2 share a row.
fn along(i: u32, count: u32) -> u32 { return select(i % 2u + i / 8u % max(count / 2u, 1u) * 2u, 0u, count == 1u); }
fn place(i: u32, count: u32) -> u32 { return select(i / (4u * count) * 4u + i / 2u % 4u, i, count == 1u); }

@compute @workgroup_size({% .Threads %})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let first = (wid.y + wid.z * nwg.y) * ROWS;
	let parts = {% if .Parted %}nwg.x / (({% .RowCount %} + TOKENS - 1u) / TOKENS){% else %}1u{% end %};
	let part = wid.x % parts;
	let token = wid.x / parts * TOKENS;
	if (first >= N || token >= {% .RowCount %}) { return; }
	let rows = {% .RowCount %};
	let span = (TURNS + parts - 1u) / parts;
	let begin = min(part * span, TURNS);
	let end = min(begin + span, TURNS);
	let head = min(begin * STEPS, TURNS * STEPS - 1u);
	// Bringing: rows and tokens by the cell, and the lane, that reads them.
	let walong = along(local, WORDS_W);
	let xalong = along(local, WORDS_X);
{%- range $j := seq .WStages %}
	let wi{% $j %} = local + {% $j %}u * THREADS;
	let wp{% $j %} = place(wi{% $j %}, WORDS_W){% if $.Turned %} / 4u{% end %};
	let wlane{% $j %} = wp{% $j %} % W_LANES;
{%- if $.Turned %}
	let wput{% $j %} = walong * W_EACH * W_LANES + wp{% $j %};
	let wcomp{% $j %} = place(wi{% $j %}, WORDS_W) % 4u;
	let wrow{% $j %} = first + wlane{% $j %} / 8u * (8u * LANE_ROWS) + wp{% $j %} / W_LANES * 32u + wlane{% $j %} % 8u * 4u + wcomp{% $j %};
{%- else %}
	let wcell{% $j %} = walong * {% $.WordQuads %}u * W_EACH + wp{% $j %} / W_LANES;
	let wrow{% $j %} = first + wlane{% $j %} / 8u * (8u * LANE_ROWS) + wp{% $j %} / W_LANES / 4u * 32u + wlane{% $j %} % 8u * 4u + wp{% $j %} / W_LANES % 4u;
{%- end %}
	let wbase{% $j %} = {% if $.Aligned %}wrow{% $j %}{% else %}min(wrow{% $j %}, N - 1u){% end %} * QUANT_VECS + walong;
	var wv{% $j %} = wq[wbase{% $j %} + head * WORDS_W];
{%- end %}
{%- range $j := seq .XStages %}
	let xi{% $j %} = local + {% $j %}u * THREADS;
	let xp{% $j %} = place(xi{% $j %}, WORDS_X){% if $.Turned %} / 4u{% end %};
	let xlane{% $j %} = xp{% $j %} % X_LANES;
{%- if $.Turned %}
	let xput{% $j %} = xalong * X_EACH * X_LANES + xp{% $j %};
	let xcomp{% $j %} = place(xi{% $j %}, WORDS_X) % 4u;
	let xtoken{% $j %} = token + xlane{% $j %} / 4u * (4u * LANE_TOKENS) + xp{% $j %} / X_LANES * 16u + xlane{% $j %} % 4u * 4u + xcomp{% $j %};
{%- else %}
	let xcell{% $j %} = xalong * X_EACH + xp{% $j %} / X_LANES;
	let xtoken{% $j %} = token + xlane{% $j %} / 4u * (4u * LANE_TOKENS) + xp{% $j %} / X_LANES * 4u + xlane{% $j %} % 4u;
{%- end %}
	let xbase{% $j %} = min(xtoken{% $j %}, rows - 1u) * X_VECS + xalong;
	var xv{% $j %} = x[xbase{% $j %} + head * WORDS_X];
{%- if $.Norm %}
	var square{% $j %} = 0.0;
{%- end %}
{%- end %}
{%- if .Norm %}
	var gv = gain[xalong + head * WORDS_X];
{%- end %}
	// Multiplying: two lanes side by side, of 16, share tokens.
	let wl = local / 32u % GROUPS_W * 8u + local / 2u % 8u;
	let xl = local / 32u / GROUPS_W * 4u + local / 16u % 2u * 2u + local % 2u;
{%- range $t := seq .LaneTokens %}{% range $r := seq $.LaneRows %}
	var acc{% $t %}_{% $r %} = 0.0;
{%- end %}{% end %}
{%- if eq .Buffers 2 %}
	{
		let now = begin * STEPS;
{%- template "tile_put" (.In 0) %}
{%- template "tile_fetch" . %}
	}
	workgroupBarrier();
{%- end %}
	for (var turn = begin; turn < end; turn++) {
{%- range $s := seq .Steps %}
		{
{%- if eq $.Buffers 1 %}
			let now = turn * STEPS + {% $s %}u;
			workgroupBarrier();
{%- template "tile_put" ($.In 0) %}
{%- template "tile_fetch" $ %}
			workgroupBarrier();
{%- template "tile_sums" ($.In 0) %}
{%- else %}
			let now = turn * STEPS + {% add $s 1 %}u;
{%- template "tile_sums" ($.In (mod $s 2)) %}
{%- template "tile_put" ($.In (mod (add $s 1) 2)) %}
{%- template "tile_fetch" $ %}
			workgroupBarrier();
{%- end %}
		}
{%- end %}
	}
	let out = token{% if .Parted %} + part * rows{% end %};
{%- if .Norm %}
	// The tokens' squares, by way of xtile.
	workgroupBarrier();
{%- range $j := seq .XStages %}
	{% if not $.WholeX %}if (xi{% $j %} < X_ITEMS) {% end %}{ {% if $.Turned %}xtile[0u][xput{% $j %}][xcomp{% $j %}] = square{% $j %}{% else %}xtile[xcell{% $j %}][xlane{% $j %}] = vec4<f32>(square{% $j %}){% end %}; }
{%- end %}
	workgroupBarrier();
{%- range $c := seq .XEach %}
	let squares{% $c %} = {% range $q := seq $.WordsX %}{% if $q %} + {% end %}xtile[{% if $.Turned %}0u][xl + {% mul (add (mul $q $.XEach) $c) $.XLanes %}u{% else %}{% add (mul $q $.XEach) $c %}u][xl{% end %}]{% end %};
{%- end %}
{%- end %}
{%- range $t := seq .LaneTokens %}
	let t{% $t %} = xl / 4u * (4u * LANE_TOKENS) + {% if $.Turned %}{% mul (div $t 4) 16 %}u + xl % 4u * 4u + {% mod $t 4 %}u{% else %}{% mul $t 4 %}u + xl % 4u{% end %};
	if (token + t{% $t %} < rows) {
{%- if $.Norm %}
		let square = squares{% if $.Turned %}{% div $t 4 %}.{% comp (mod $t 4) %}{% else %}{% $t %}.x{% end %};
{%- if $.Parted %}
		if (first == 0u && wl == 0u) { finish(out + t{% $t %}, SQUARES_AT, square); }
{%- else %}
		let rms = inverseSqrt(square / NORM_COLS + EPS);
{%- end %}
{%- end %}
{%- range $h := seq (div $.LaneRows 4) %}
		store(out + t{% $t %}, first + wl / 8u * (8u * LANE_ROWS) + {% mul $h 32 %}u + wl % 8u * 4u, vec4<f32>({% range $r := seq 4 %}{% if $r %}, {% end %}acc{% $t %}_{% add (mul $h 4) $r %}{% end %}){% if and $.Norm (not $.Parted) %} * rms{% end %});
{%- end %}
	}
{%- end %}
}
{% template "store" . %}

{%- /* tile_fetch brings the step after now, if there is one. A branch keeps compilers from moving the loads down to tile_put. */ -%}
{%- define "tile_fetch" %}
			if (now + 1u < end * STEPS) {
{%- range $j := seq .WStages %}
				wv{% $j %} = wq[wbase{% $j %} + (now + 1u) * WORDS_W];
{%- end %}
{%- range $j := seq .XStages %}
				xv{% $j %} = x[xbase{% $j %} + (now + 1u) * WORDS_X];
{%- end %}
{%- if .Norm %}
				gv = gain[xalong + (now + 1u) * WORDS_X];
{%- end %}
			}
{%- end %}

{%- /* tile_put stores step now, which was fetched before. */ -%}
{%- define "tile_put" %}
{%- range $j := seq .WStages %}
			{% if not $.WholeW %}if (wi{% $j %} < W_ITEMS) {% end %}{
{%- if eq $.WordQuads 2 %}
				let unit = halves(wv{% $j %});
{%- end %}
{%- range $h := seq $.WordQuads %}
				let v{% $h %} = {% if eq $.WordQuads 2 %}unit.{% if eq $h 0 %}lo{% else %}hi{% end %}{% else %}bitcast<vec4<f32>>(wv{% $j %}){% end %};
{%- if $.Turned %}
{%- range $c := seq 4 %}
				wtile[{% add $.WFirst (add (mul $h 4) $c) %}u][wput{% $j %}][wcomp{% $j %}] = v{% $h %}.{% comp $c %};
{%- end %}
{%- else %}
				wtile[wcell{% $j %} + {% add $.WFirst (mul $h $.WEach) %}u][wlane{% $j %}] = v{% $h %};
{%- end %}
{%- end %}
			}
{%- end %}
{%- range $j := seq .XStages %}
			{% if not $.WholeX %}if (xi{% $j %} < X_ITEMS) {% end %}{
{%- if $.Norm %}
				square{% $j %} += select(0.0, dot(xv{% $j %}, xv{% $j %}), now < end * STEPS);
				let v = xv{% $j %} * gv;
{%- else %}
				let v = xv{% $j %};
{%- end %}
{%- if $.Turned %}
{%- range $c := seq 4 %}
				xtile[{% add $.XFirst $c %}u][xput{% $j %}][xcomp{% $j %}] = v.{% comp $c %};
{%- end %}
{%- else %}
				xtile[xcell{% $j %} + {% $.XFirst %}u][xlane{% $j %}] = v;
{%- end %}
			}
{%- end %}
{%- end %}

{%- /* tile_sums multiplies what a buffer holds. */ -%}
{%- define "tile_sums" %}
{%- range $k := seq .Slabs %}
			{
{%- range $c := seq $.XEach %}
				let a{% $c %} = xtile[{% if $.Turned %}{% add $.XFirst (mod $k 4) %}u][xl + {% mul (add (mul (div $k 4) $.XEach) $c) $.XLanes %}u{% else %}{% add $.XFirst (add (mul $k $.XEach) $c) %}u][xl{% end %}];
{%- end %}
{%- range $i := seq $.WEach %}
				{
					let w = wtile[{% if $.Turned %}{% add $.WFirst (mod $k $.WordCols) %}u][wl + {% mul (add (mul (div $k $.WordCols) $.WEach) $i) $.WLanes %}u{% else %}{% add $.WFirst (add (mul $k $.WEach) $i) %}u][wl{% end %}];
{%- if $.Turned %}
{%- range $t := seq $.LaneTokens %}{% range $r := seq 4 %}
					acc{% $t %}_{% add (mul $i 4) $r %} = fma(w.{% comp $r %}, a{% div $t 4 %}.{% comp (mod $t 4) %}, acc{% $t %}_{% add (mul $i 4) $r %});
{%- end %}{% end %}
{%- else %}
{%- range $c := seq 4 %}{% range $t := seq $.LaneTokens %}
					acc{% $t %}_{% $i %} = fma(w.{% comp $c %}, a{% $t %}.{% comp $c %}, acc{% $t %}_{% $i %});
{%- end %}{% end %}
{%- end %}
				}
{%- end %}
			}
{%- end %}
{%- end %}
