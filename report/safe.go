package report

// Name makes a name from a database safe to print: what a terminal could take
// as a command becomes an escape, and two names never look the same.
func Name(s string) string { return ident(s) }

// ShortName is Name in at most n terminal columns, its middle left out.
func ShortName(s string, n int) string { return shorten(ident(s), n) }

// Sentence makes a sentence that may quote a database or an operator safe to
// print on one line.
func Sentence(s string) string { return prose(s) }

// ShortSentence is Sentence in at most n terminal columns, its middle left out.
func ShortSentence(s string, n int) string { return shorten(prose(s), n) }
