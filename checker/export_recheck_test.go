package checker

// ErrUncovered is what a Covered says that breaks a proof.
var ErrUncovered = errUncovered

// Why says why a suspect is still open.
func Why(s *Suspect) string { return s.unsettled() }
