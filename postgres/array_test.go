package postgres_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/pgparity/pgparity/postgres"
)

// Arrays are written and read by all workers of both sides at once.
func TestArraysConcurrently(t *testing.T) {
	var wg sync.WaitGroup
	for n := range 16 {
		wg.Go(func() {
			for i := range 200 {
				want := fmt.Sprintf(`a"b\%d,%d`, n, i)
				got, err := postgres.ParseTextArray([]byte(postgres.TextArray([]string{want, "NULL"})))
				if err != nil || len(got) != 2 || *got[0] != want || *got[1] != "NULL" {
					t.Errorf("%q came back as %v, %v", want, got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
