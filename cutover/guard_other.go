//go:build !unix

package cutover

import "syscall"

func ownSession() *syscall.SysProcAttr { return nil }
