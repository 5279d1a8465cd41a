package cutover

import (
	"maps"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMutations: a switch that lacks any one of its actions or steps is seen to be
// wrong, by a scene in which one that lacks nothing is right. Each time a third of
// them is drawn; make test-cutover takes all, and so does CUTOVER_MUTATIONS=all.
func TestMutations(t *testing.T) {
	slow(t)
	t.Parallel()
	random := draw(t)
	ids := slices.DeleteFunc(slices.Sorted(maps.Keys(traps)), func(id string) bool { return traps[id].scene == nil })
	if os.Getenv("CUTOVER_MUTATIONS") != "all" && os.Getenv("PGPARITY_TEST_CUTOVER") != "all" {
		of := len(ids)
		random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
		ids = ids[:(len(ids)+2)/3]
		t.Logf("%d are drawn, of %d that are shown here; CUTOVER_MUTATIONS=all takes all", len(ids), of)
	}
	var work []func()
	seen := map[string]bool{}
	for _, id := range ids {
		play := traps[id].scene
		if name := sceneName(play); !seen[name] {
			seen[name] = true
			work = append(work, func() { t.Run("whole/"+name, func(t *testing.T) { playWhole(t, play) }) })
		}
		work = append(work, func() { t.Run("without/"+id, func(t *testing.T) { playWithout(t, id) }) })
	}
	// Not by t.Parallel, which takes as many as there are processors: these wait for
	// servers most of their time.
	var crew sync.WaitGroup
	turns := make(chan func())
	for range atOnce {
		crew.Go(func() {
			for do := range turns {
				do()
			}
		})
	}
	for _, do := range work {
		turns <- do
	}
	close(turns)
	crew.Wait()
}

// sceneName is what the function is called.
func sceneName(play func(*scene)) string {
	name := runtime.FuncForPC(reflect.ValueOf(play).Pointer()).Name()
	return name[strings.LastIndexByte(name, '.')+1:]
}

// played plays a scene, and gives what is wrong.
func played(t *testing.T, play func(*scene), lacks ...string) string {
	t.Helper()
	s := &scene{t: t, lacks: lacks, patience: 30 * time.Second}
	play(s)
	s.later.Wait()
	return strings.Join(s.wrong, "\n")
}

// playWhole plays a scene with a switch that lacks nothing.
func playWhole(t *testing.T, play func(*scene)) {
	if wrong := played(t, play); wrong != "" {
		t.Error(wrong)
	}
}

// playWithout plays a scene with one that lacks something.
func playWithout(t *testing.T, id string) {
	trap := traps[id]
	lacks := append(slices.Clone(trap.also), id)
	wrong := played(t, trap.scene, lacks...)
	for try := 1; wrong == "" && try < trap.tries; try++ {
		wrong = played(t, trap.scene, lacks...)
	}
	if wrong == "" {
		t.Errorf("%s was left out, and nothing was wrong in %s: it is not needed, or the scene does not see what for", id, sceneName(trap.scene))
	} else if !strings.Contains(wrong, trap.notice) {
		t.Errorf("%s was left out, and what is wrong in %s is not %q, but: %s", id, sceneName(trap.scene), trap.notice, wrong)
	}
	t.Logf("noticed: %s", wrong)
}
