package window

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestSeen: what is counted is what a row after another sees, tried position by position.
func TestSeen(t *testing.T) {
	const size, tokens = 4, 40
	for w := range 20 {
		for rows := 1; rows < 12; rows++ {
			most := 0
			for first := range tokens - rows + 1 {
				last := first + rows - 1
				seen := 0 // from the block that holds the first token that the first row sees
				if w > 0 {
					seen = max(0, first-w+1) / size
				}
				assert.Equal(t, seen, Hidden(w, first, size))
				most = max(most, last/size+1-seen)
			}
			assert.GreaterOrEqual(t, Seen(w, tokens/size, rows, size), most, "a window of %d, %d rows", w, rows)
			assert.LessOrEqual(t, Seen(w, tokens/size, rows, size), most+1, "a window of %d, %d rows", w, rows)
		}
	}
}
