package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra"
	"umbra/internal/parrot"
)

// browser is a tab of a headless Chromium.
type browser struct {
	t   *testing.T
	ctx context.Context
	mu  sync.Mutex
	bad []string // what it complained about
}

// chromium is the program: what UMBRA_CHROMIUM names, or one that is installed and says its version. Ubuntu's package only says where to get another.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("UMBRA_CHROMIUM"), "chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "headless_shell"} {
		if name == "" {
			continue
		}
		if out, err := exec.Command(name, "--version").Output(); err == nil && strings.ContainsAny(string(out), "0123456789") {
			return name
		}
	}
	t.Skip("no Chromium is installed: .ci/browser.sh installs it on Debian; UMBRA_CHROMIUM names another")
	return ""
}

func openBrowser(t *testing.T) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.UserDataDir(t.TempDir()), chromedp.DisableGPU,
		chromedp.Flag("headless", "new"), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.WSURLReadTimeout(2*time.Minute),
		chromedp.NoSandbox) // it sees this server's own page alone; root and many containers can have no sandbox
	ctx, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	ctx, close := chromedp.NewContext(ctx)
	t.Cleanup(close)
	b := &browser{t: t, ctx: ctx}
	thrown, logged := chromedp.Events(ctx, runtime.ExceptionThrown), chromedp.Events(ctx, cdplog.EntryAdded)
	b.do(command(cdplog.Enable, cdp.Empty{}), command(runtime.Enable, cdp.Empty{}))
	go func() {
		for e, err := range thrown {
			if err == nil {
				b.complain(e.ExceptionDetails.Text)
			}
		}
	}()
	go func() {
		for e, err := range logged {
			if err == nil && e.Entry.Source != "network" { // a refused request is an answer, and no fault of the page's
				b.complain(e.Entry.Text)
			}
		}
	}()
	return b
}

func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

func (b *browser) complain(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bad = append(b.bad, text)
}

// content fails where the browser was not content: an exception, or something that the policy forbids.
func (b *browser) content() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	assert.Empty(b.t, b.bad)
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, actions...))
}

// get evaluates an expression of the page.
func get[T any](b *browser, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	require.NoError(b.t, err, expression)
	return v
}

// until waits for an expression to be true.
func (b *browser) until(expression string) {
	b.t.Helper()
	for end := time.Now().Add(2 * time.Minute); !get[bool](b, "Boolean("+expression+")"); time.Sleep(30 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("it never was that %s; the page is %s", expression, get[string](b, "document.body.innerText"))
		}
	}
}

// write puts text in a field, as if typed.
func (b *browser) write(id, text string) {
	b.t.Helper()
	get[bool](b, fmt.Sprintf(`(() => { const f = document.getElementById(%q); f.focus(); f.value = %q; f.dispatchEvent(new Event("input", {bubbles: true})); return true; })()`, id, text))
}

// click clicks the button with a text within what a selector finds.
func (b *browser) click(within, text string) {
	b.t.Helper()
	find := fmt.Sprintf(`[...document.querySelectorAll(%q)].flatMap((x) => [...x.querySelectorAll("button")]).find((x) => x.textContent === %q)`, within, text)
	b.until(find)
	get[bool](b, find+`.click() === undefined`)
}

// fits has every view be as wide as a phone, and every control have a name.
func (b *browser) fits() {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(390, 844))
	for _, view := range []string{"Chat", "Live view", "Settings"} {
		if get[string](b, `document.querySelector("nav [aria-pressed=true]")?.textContent ?? ""`) != view {
			b.click("nav", view)
		}
		assert.LessOrEqual(b.t, get[int](b, `document.scrollingElement.scrollWidth`), 390, view)
		assert.Equal(b.t, 1, get[int](b, `["chat", "live", "settings"].filter((id) => document.getElementById(id).offsetWidth > 0).length`), view)
	}
	assert.Empty(b.t, get[[]string](b, `[...document.querySelectorAll("input, textarea, button, canvas")].filter((x) => !(x.labels?.length || x.getAttribute("aria-label") || x.textContent.trim())).map((x) => x.outerHTML)`))
	b.do(chromedp.EmulateViewport(1280, 800))
}

const (
	lastText = `[...document.querySelectorAll("#turns .text")].at(-1).textContent`
	idle     = `!document.getElementById("send").hidden`
)

// TestBrowserChat: a conversation with keys, settings, edits, and text that looks like HTML.
func TestBrowserChat(t *testing.T) {
	b := openBrowser(t)
	_, url := serve(t, parroting(t), Options{Keys: []string{"secret"}})
	b.do(chromedp.EmulateViewport(1280, 800), chromedp.Navigate(url))
	b.until(`document.activeElement.id === "key"`)
	b.do(chromedp.KeyEvent("secret"), chromedp.KeyEvent(kb.Enter))
	b.until(`document.getElementById("model-name").textContent === "parrot"`)
	b.write("field-temperature", "0")

	b.write("prompt", "<b>Hi</b> &amp;")
	b.do(chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierShift)), chromedp.KeyEvent("you"))
	assert.Equal(t, "<b>Hi</b> &amp;\nyou", get[string](b, `document.getElementById("prompt").value`), "Shift and Enter breaks the line")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until(idle + ` && ` + lastText + ` === "` + parrot.Greeting + `"`)
	assert.Equal(t, "<b>Hi</b> &amp;\nyou", get[string](b, `document.querySelector(".turn.user .text").textContent`))
	assert.Regexp(t, `^6 tokens.* · first after \d`, get[string](b, `document.querySelector(".turn.assistant .stats").textContent`))

	b.do(chromedp.Navigate(url)) // the conversation, the settings and the key are kept
	b.until(`document.querySelectorAll(".turn").length === 2 && document.getElementById("model-name").textContent === "parrot"`)
	b.click(".turn.assistant", "Regenerate")
	b.until(idle + ` && ` + lastText + ` === "` + parrot.Greeting + `"`)
	b.click(".turn.user", "Edit")
	b.until(`document.querySelector(".turn textarea")`)
	get[bool](b, `(document.querySelector(".turn textarea").value = "Hello") !== ""`)
	b.click(".turn.user", "Send")
	b.until(idle + ` && document.querySelectorAll(".turn").length === 2 && document.querySelector(".turn.user .text").textContent === "Hello" && ` + lastText + ` === "` + parrot.Greeting + `"`)

	hostile := "# Title\n\n<img src=x onerror=alert(1)> **bold** and *so* `<i>code</i>` [good](https://example.com/a) [bad](javascript:alert(1))\n\n- one\n  - two\n\n1. first\n\n```go\nfunc <script>alert(1)</script>\n"
	kept, err := json.Marshal(map[string]any{"mode": "chat", "chat": []any{map[string]any{"role": "assistant", "text": hostile}}, "complete": []any{}})
	require.NoError(t, err)
	get[bool](b, fmt.Sprintf(`localStorage.setItem("umbra", %q) === undefined`, kept))
	b.do(chromedp.Navigate(url))
	b.until(`document.querySelector(".turn .text pre")`)
	assert.Equal(t, []string{"H3", "P", "STRONG", "EM", "CODE", "A", "UL", "LI", "UL", "LI", "OL", "LI", "DIV", "DIV", "SPAN", "BUTTON", "PRE", "CODE"},
		get[[]string](b, `[...document.querySelectorAll(".turn .text *")].map((x) => x.tagName)`))
	assert.Equal(t, "https://example.com/a", get[string](b, `document.querySelector(".turn a").href`))
	assert.Equal(t, "func <script>alert(1)</script>\n", get[string](b, `document.querySelector(".turn pre").textContent`))
	assert.Contains(t, get[string](b, lastText), "<img src=x onerror=alert(1)>")
	assert.Contains(t, get[string](b, lastText), "[bad](javascript:alert(1))")
	b.fits()
	b.click("#composer", "Clear")
	b.until(`document.querySelectorAll(".turn").length === 0 && !document.getElementById("empty").hidden`)
	b.content()
}

// TestBrowserLive: a text that goes on and is stopped, beside others, and what the live view shows of them.
func TestBrowserLive(t *testing.T) {
	b := openBrowser(t)
	e := slow(t, umbra.Options{Context: 1024, Sequences: 8, Blocks: 320})
	s := New(e, Options{})
	web := &http.Server{Handler: s}
	url := listening(t, web)
	b.do(chromedp.EmulateViewport(1280, 800), chromedp.Navigate(url))
	b.until(`document.getElementById("empty-text").textContent.includes("no chat template")`)
	assert.True(t, get[bool](b, `document.querySelector("[name=mode][value=chat]").disabled && document.querySelector("[name=mode][value=complete]").checked`))
	asking, give := context.WithCancel(context.Background())
	var others sync.WaitGroup
	for i := range 2 {
		body := fmt.Sprintf(`{"prompt": "// Package %d does what others leave to it, as far as it can.\nfunc", "n": %d, "max_tokens": 900, "stream": true, "ignore_eos": true, "seed": %d}`, i, 1+2*i, i)
		others.Go(func() { streamed(asking, http.DefaultClient, url, body, -1, 0) })
	}
	defer others.Wait()
	defer give()
	const endless = "0, 0, 0, 0, 0, 0, 0, 0," // goes on so
	b.write("field-temperature", "0")
	b.write("field-max_tokens", "900")
	b.write("prompt", endless)
	b.do(chromedp.KeyEvent(kb.Enter))
	const made = `document.querySelector(".made").textContent.length`
	b.until(`document.querySelector(".made") && ` + made + ` > 0`)
	some := get[int](b, made)
	assert.False(t, get[bool](b, idle), "it has not ended")
	b.until(fmt.Sprintf("%s > %d", made, some))

	b.until(`"on" in document.getElementById("live-state").dataset && document.querySelectorAll("#sequences tr").length === 5`)
	const blocks = `document.querySelector("#maps canvas").dataset`
	b.until(blocks + `.shared > 0`)
	assert.Equal(t, "320", get[string](b, blocks+`.blocks`))
	assert.Greater(t, get[int](b, `new Set(new Uint32Array(document.querySelector("#maps canvas").getContext("2d").getImageData(0, 0, document.querySelector("#maps canvas").width, 40).data.buffer)).size`), 8,
		"the colors of three sequences, stripes, free ones")
	assert.Equal(t, []string{"decode"}, get[[]string](b, `[...new Set([...document.querySelectorAll("#sequences .state")].map((x) => x.textContent))]`))
	b.until(`Number(document.getElementById("tile-rate").textContent) > 0 && document.getElementById("tile-running").textContent === "5"`)
	assert.Regexp(t, `^#\d+: \d+ rows, [\d.]+ m?s$`, get[string](b, `document.getElementById("step-last").textContent`))

	b.do(chromedp.KeyEvent(kb.Escape))
	b.until(idle)
	assert.Contains(t, get[string](b, `document.querySelector(".turn .stats").textContent`), "stopped")
	assert.Greater(t, get[int](b, made), some, "what came is kept")
	b.until(`document.querySelectorAll("#sequences tr").length === 4`)
	give()
	b.until(`document.querySelectorAll("#sequences tr").length === 0 && ` + blocks + `.held === "0"`)
	b.write("prompt", endless)
	b.click("#composer", "Send")
	b.until(`document.querySelectorAll(".turn").length === 2 && document.querySelectorAll(".made")[1].textContent.length > 0`)
	b.click("#composer", "Clear")
	b.until(idle + ` && document.querySelectorAll(".turn").length === 0`)
	b.click("nav", "Live view") // away
	require.Eventually(t, func() bool { return s.watch.watchers.count() == 0 }, time.Minute, 10*time.Millisecond, "nobody looks, nothing is asked for")
	b.fits()
	b.content()
	require.NoError(t, e.Check())
}

// TestScreenshot makes the picture of the README where UMBRA_SCREENSHOT says, of the built-in model beside other requests.
func TestScreenshot(t *testing.T) {
	file := os.Getenv("UMBRA_SCREENSHOT")
	if file == "" {
		t.Skip("UMBRA_SCREENSHOT names no file: make screenshot")
	}
	b := openBrowser(t)
	e, err := umbra.Open(filepath.Join(filepath.Dir(draft), "gopher-28m-q8_0.gguf"), umbra.Options{Context: 1024, Sequences: 8, Blocks: 110})
	e = opened(t, e, err)
	web := &http.Server{Handler: New(e, Options{})}
	url := listening(t, web)
	const head = "package main\n\nimport (\n\t\"fmt\"\n\t\"os\"\n)\n\n// Each of these counts the words of a text, in the order in which they came.\n"
	ask := func(ctx context.Context, prompt string, n, tokens, seed int) {
		body, _ := json.Marshal(map[string]any{"prompt": prompt, "n": n, "max_tokens": tokens, "stream": true, "ignore_eos": true, "seed": seed, "temperature": 0.8})
		streamed(ctx, http.DefaultClient, url, string(body), -1, 0)
	}
	ask(context.Background(), head+"func warm", 1, 12, 1)     // compiles kernels
	ask(context.Background(), "// another text\n", 3, 200, 1) // leaves blocks behind
	asking, give := context.WithCancel(context.Background())
	var others sync.WaitGroup
	defer others.Wait()
	defer give()
	for i, name := range []string{"func count(", "func words(text string) map[string]int {\n", "var total"} {
		others.Go(func() { ask(asking, head+strings.Repeat("// "+name+"\n", 8*i)+name, 1+i%2*2, 380, i) })
	}
	b.do(command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}}),
		chromedp.EmulateViewport(1280, 880), chromedp.Navigate(url))
	b.until(`document.getElementById("empty-text").textContent.includes("no chat template")`)
	b.write("field-temperature", "0")
	b.write("prompt", "package people\n\n// byAge sorts people, the youngest first.\ntype byAge []person\n\nfunc (a byAge) Len() int {")
	b.click("#composer", "Send")
	b.until(`document.querySelector(".turn")`)
	others.Go(func() { ask(asking, "func waits", 4, 100, 9) }) // too many at once beside the others
	b.until(`parseInt(document.querySelector(".turn .stats")?.textContent) > 40 || ` + idle + ` && document.querySelector(".made")`)
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, png, 0o644))
	t.Logf("%s: %d bytes", file, len(png))
	b.content()
}
