package grammar

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// realistic makes a vocabulary such as models of code and many languages have: all bytes, words with and without a space, numbers, punctuation as code
// has it, runs of white space, words and halves of words in other scripts.
func realistic(size int) [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(from []string) string { return from[r.IntN(len(from))] }
	known := map[string]bool{}
	var all [][]byte
	add := func(s string) {
		if s != "" && !known[s] && len(all) < size {
			known[s] = true
			all = append(all, []byte(s))
		}
	}
	for c := range 256 {
		add(string([]byte{byte(c)}))
	}
	for n := range 1000 {
		digits := "000" + strings.TrimLeft(string([]byte{byte('0' + n/100), byte('0' + n/10%10), byte('0' + n%10)}), "")
		add(digits[len(digits)-3:])
		add(digits[len(digits)-2:])
	}
	for n := 2; n <= 128; n++ {
		add(strings.Repeat(" ", n))
		if n <= 32 {
			for _, s := range []string{"\t", "\n", "-", "=", "*", "#", "/", "_"} {
				add(strings.Repeat(s, n))
			}
			add("\n" + strings.Repeat(" ", n))
			add("\n" + strings.Repeat("\t", n))
			add("\n\n" + strings.Repeat(" ", n))
		}
	}
	marks := strings.Split("{ } [ ] ( ) : ; , . \" ' ` < > = + - * / & | ! ? # @ % ^ _ ~ \\ $", " ")
	ends := []string{"", "", "", "\n", "\n\n", "\r\n", " "}
	for range size / 14 {
		s := ""
		for range 1 + r.IntN(4) {
			s += pick(marks)
		}
		add([]string{"", " "}[r.IntN(2)] + s + pick(ends))
	}
	syllables := strings.Fields("a e i o u an en in on er re st nt th at ti or al le se ar te nd ng ed es it is ou io ha co me de ri ro li ra ch ment tion able ful " +
		"ing ght str func ret urn var len str int map key val get set new err log tmp idx max min")
	word := func(from []string, most int) string {
		s := ""
		for range 1 + r.IntN(most) {
			s += pick(from)
		}
		return s
	}
	for len(all) < size*3/4 {
		w := word(syllables, 4)
		switch r.IntN(12) {
		case 0:
			w = strings.ToUpper(w)
		case 1, 2:
			w = strings.ToUpper(w[:1]) + w[1:]
		case 3:
			w += strings.ToUpper(w[:1]) + word(syllables, 2)
		case 4:
			w = pick(marks) + w
		case 5:
			w += pick(marks)
		case 6:
			w = "_" + w
		}
		if r.IntN(2) == 0 {
			w = " " + w
		}
		add(w)
	}
	for len(all) < size {
		first := []rune{0x430, 0x4e00, 0xac00, 0x3b1, 0x627, 0x1f600, 0xe0}[r.IntN(7)]
		width := []int32{32, 3000, 2000, 24, 30, 60, 40}[r.IntN(7)]
		s := ""
		for range 1 + r.IntN(4) {
			s += string(first + r.Int32N(width))
		}
		switch r.IntN(8) {
		case 0:
			s = " " + s
		case 1:
			s = s[:len(s)-1] // half a rune
		case 2:
			s = s[1:]
		}
		add(s)
	}
	return all
}

func vocabularyOf(pieces [][]byte) *Vocabulary {
	return NewVocabulary(len(pieces), func(id int32) []byte { return pieces[id] })
}

// TestTrie: the trie has each token once, at the end of its bytes, and says of what is below a node what the tokens say.
func TestTrie(t *testing.T) {
	pieces := append(realistic(4000), nil, []byte("the"), []byte("the"))
	v := vocabularyOf(pieces)
	found := map[int32]bool{}
	var path []byte
	for i, n := range v.nodes {
		last := int32(len(v.ids))
		if int(n.skip) < len(v.nodes) {
			last = v.nodes[n.skip].first
		}
		if n.depth > 0 {
			path = append(path[:n.depth-1], n.byte)
		}
		tall, below := 0, contents{valid: true}
		for _, id := range v.ids[n.first:last] {
			if !assert.True(t, bytes.HasPrefix(pieces[id], path), "node %d", i) {
				return
			}
			rest := pieces[id][n.depth:]
			tall = max(tall, len(rest))
			c := describe(rest)
			below.ascii[0] |= c.ascii[0]
			below.ascii[1] |= c.ascii[1]
			below.wide = below.wide || c.wide
			below.valid = below.valid && c.valid
		}
		for _, id := range v.ids[n.first : n.first+n.own] {
			assert.False(t, found[id], "token %d twice", id)
			found[id] = true
			assert.Equal(t, string(path), string(pieces[id]))
		}
		assert.Equal(t, tall, int(n.tall))
		if n.below < 0 {
			assert.Zero(t, tall)
		} else if n.whole {
			assert.Equal(t, below, v.below[n.below], "%q", path)
		}
	}
	assert.Len(t, found, 4002)
}

func TestDescribe(t *testing.T) {
	for _, c := range []struct {
		text        string
		wide, valid bool
	}{
		{"", false, true}, {"abc", false, true}, {"é", true, true}, {"aéb", true, true}, {"é\xc3", true, true}, {"\xe4\xb8", true, true},
		{"\xe4a", true, false}, {"\x80", true, false}, {"\xc3\xa9\x80", true, false}, {"\xed\xa0\x80", true, false}, {"\xed\xa0", true, false},
		{"\xf4\x90", true, false}, {"\xf0\x9f\x98", true, true}, {"\xc0", true, false}, {"\xff", true, false}, {"\xf0\x80", true, false},
	} {
		d := describe([]byte(c.text))
		assert.Equal(t, []bool{c.wide, c.valid}, []bool{d.wide, d.valid}, "%q", c.text)
	}
}
