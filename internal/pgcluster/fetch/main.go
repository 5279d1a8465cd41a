// Command fetch brings servers of the major versions given, all known ones when
// none is, so that tests and demos find them: one line per version on stdout.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	majors, err := parse(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	code := 0
	for _, major := range majors {
		b, err := pgcluster.Ensure(ctx, major)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
			continue
		}
		fmt.Printf("postgres %d: %s in %s\n", major, b.Version, b.BinDir)
	}
	return code
}

func parse(args []string) ([]int, error) {
	var majors []int
	for _, a := range args {
		n, err := strconv.Atoi(a)
		if err != nil {
			return nil, fmt.Errorf("%q is not a major version; usage: fetch [10 … 18]", a)
		}
		majors = append(majors, n)
	}
	if len(majors) == 0 {
		for n := pgcluster.OldestMajor; n <= pgcluster.NewestMajor; n++ {
			majors = append(majors, n)
		}
	}
	return majors, nil
}
