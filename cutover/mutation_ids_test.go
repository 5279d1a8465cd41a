package cutover

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// sources are the files of this package, or its tests.
func sources(t *testing.T, tests bool) (files []*ast.File) {
	t.Helper()
	all, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	for _, name := range all {
		if strings.HasSuffix(name, "_test.go") != tests {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// collector finds the ids of all actions in the source. An id is written out where
// the action is, or is handed on by a function whose callers write it out, or
// stands in a list.
type collector struct {
	ids     map[string]bool
	moments []string
	// handed are functions that hand an argument on as an id: by name, its index.
	handed map[string]int
	again  bool // handed has grown
	errs   []error
}

func collect(t *testing.T) (ids []string) {
	t.Helper()
	c := &collector{ids: map[string]bool{}, handed: map[string]int{"sql": 2}}
	files := sources(t, false)
	for _, f := range files {
		ast.Inspect(f, c.moment)
	}
	for c.again = true; c.again; {
		c.again, c.errs = false, nil
		for _, f := range files {
			for _, d := range f.Decls {
				if fn, is := d.(*ast.FuncDecl); is && fn.Body != nil {
					ast.Inspect(fn.Body, func(n ast.Node) bool { return c.look(fn, n) })
				}
			}
		}
	}
	if err := errors.Join(c.errs...); err != nil {
		t.Fatal(err)
	}
	for id := range c.ids {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// moment collects the constants of type Moment, of which ids are made.
func (c *collector) moment(n ast.Node) bool {
	spec, is := n.(*ast.ValueSpec)
	if is && identOf(spec.Type) == "Moment" {
		for _, v := range spec.Values {
			text, _ := literalOf(v)
			c.moments = append(c.moments, text)
		}
	}
	return true
}

func (c *collector) look(fn *ast.FuncDecl, n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CompositeLit:
		if identOf(n.Type) != "Action" {
			break
		}
		for _, e := range n.Elts {
			if kv, is := e.(*ast.KeyValueExpr); is && identOf(kv.Key) == "ID" {
				c.take(fn, kv.Value)
			}
		}
	case *ast.CallExpr:
		if i, is := c.handed[callee(n)]; is && i < len(n.Args) {
			c.take(fn, n.Args[i])
		}
	}
	return true
}

// take takes an id as it is written in a function.
func (c *collector) take(fn *ast.FuncDecl, e ast.Expr) {
	if text, is := literalOf(e); is {
		c.ids[text] = true
		return
	}
	switch e := e.(type) {
	case *ast.Ident:
		for i, name := range parametersOf(fn) {
			if name == e.Name {
				if _, known := c.handed[fn.Name.Name]; !known {
					c.handed[fn.Name.Name], c.again = i, true
				}
				return
			}
		}
	case *ast.BinaryExpr: // a prefix, and a moment
		if prefix, is := literalOf(e.X); is && e.Op == token.ADD {
			for _, m := range c.moments {
				c.ids[prefix+m] = true
			}
			return
		}
	case *ast.SelectorExpr: // a field of what stands in a list
		if c.listed(fn, e.Sel.Name) {
			return
		}
	}
	c.errs = append(c.errs, fmt.Errorf("%s has an action whose id is not found by reading: write it out", fn.Name.Name))
}

// listed takes the ids of a list of structs that a function has.
func (c *collector) listed(fn *ast.FuncDecl, field string) (found bool) {
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		list, is := n.(*ast.CompositeLit)
		if !is {
			return true
		}
		array, is := list.Type.(*ast.ArrayType)
		if !is {
			return true
		}
		at := slices.Index(fieldsOf(array.Elt), field)
		for _, e := range list.Elts {
			row, is := e.(*ast.CompositeLit)
			if at < 0 || !is || at >= len(row.Elts) {
				continue
			}
			if text, is := literalOf(row.Elts[at]); is {
				c.ids[text], found = true, true
			}
		}
		return true
	})
	return found
}

func literalOf(e ast.Expr) (string, bool) {
	lit, is := e.(*ast.BasicLit)
	if !is || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// identOf is what a plain identifier is called, "" for anything else.
func identOf(e ast.Expr) string {
	if id, is := e.(*ast.Ident); is {
		return id.Name
	}
	return ""
}

func callee(call *ast.CallExpr) string {
	if sel, is := call.Fun.(*ast.SelectorExpr); is {
		return sel.Sel.Name
	}
	return identOf(call.Fun)
}

func parametersOf(fn *ast.FuncDecl) []string { return namesOf(fn.Type.Params) }

func fieldsOf(e ast.Expr) []string {
	if s, is := e.(*ast.StructType); is {
		return namesOf(s.Fields)
	}
	return nil
}

func namesOf(list *ast.FieldList) (all []string) {
	for _, f := range list.List {
		for _, n := range f.Names {
			all = append(all, n.Name)
		}
	}
	return all
}

// TestEveryActionIsKnown: each action of the machine has a trap, by which it is
// shown that it is needed, and each step.
func TestEveryActionIsKnown(t *testing.T) {
	ids := collect(t)
	for _, known := range []string{"freeze-limit", "hook-thaw", "copy-window", "ready-orphans", "downtime-grant", "pool-pause"} { // of each way to write one
		if !slices.Contains(ids, known) {
			t.Fatalf("the source has an action %s, which is not found any more", known)
		}
	}
	for _, s := range append(machine(), step{state: Stabilising}, step{state: Finalised}) {
		ids = append(ids, stepID(s.state))
	}
	for _, id := range ids {
		if _, known := traps[id]; !known {
			t.Errorf("nothing shows that %q is needed: add a trap for it (mutation_traps_test.go): a scenario that is judged to be wrong when it is left out; where there is none it can be removed", id)
		}
	}
	exempt := 0
	for id, trap := range traps {
		if !slices.Contains(ids, id) {
			t.Errorf("there is a trap for %q, and no such action or step: remove it", id)
		}
		if trap.exempt != "" {
			exempt++
			t.Logf("%s is not shown to be needed: %s", id, trap.exempt)
		}
	}
	if exempt > 3 {
		t.Errorf("%d actions are not shown to be needed, which is too many", exempt)
	}
	t.Logf("%d actions and steps", len(ids))
	shownElsewhere(t)
}

// shownElsewhere makes sure that each test that is said to leave an action out is
// there, has its id, and leaves something out, itself or by a function that it calls.
func shownElsewhere(t *testing.T) {
	t.Helper()
	functions := map[string]*ast.FuncDecl{}
	for _, f := range sources(t, true) {
		for _, d := range f.Decls {
			if fn, is := d.(*ast.FuncDecl); is && fn.Recv == nil {
				functions[fn.Name.Name] = fn
			}
		}
	}
	for id, trap := range traps {
		if trap.shownBy == "" {
			continue
		}
		fn := functions[trap.shownBy]
		if fn == nil {
			t.Errorf("%s: there is no test %s", id, trap.shownBy)
			continue
		}
		has, drops := false, leavesOut(fn)
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			if e, is := n.(ast.Expr); is {
				text, _ := literalOf(e)
				has = has || text == id
			}
			if call, is := n.(*ast.CallExpr); is && functions[callee(call)] != nil {
				drops = drops || leavesOut(functions[callee(call)])
			}
			return true
		})
		if !has || !drops {
			t.Errorf("%s: %s does not leave it out", id, trap.shownBy)
		}
	}
}

// leavesOut tells whether a function sets Options.drop.
func leavesOut(fn *ast.FuncDecl) (does bool) {
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		if set, is := n.(*ast.AssignStmt); is {
			for _, left := range set.Lhs {
				if sel, is := left.(*ast.SelectorExpr); is && sel.Sel.Name == "drop" {
					does = true
				}
			}
		}
		return true
	})
	return does
}
