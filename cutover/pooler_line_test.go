package cutover

import (
	"strings"
	"testing"
)

// TestEntryEdited: the keys that are given, and no other byte of the file.
func TestEntryEdited(t *testing.T) {
	const target = "host=new port=6543 dbname='shop''s new'"
	for _, c := range []struct{ name, before, after string }{
		{"in the middle", "[databases]\nother = host=x\napp = host=old port=5432 dbname=shop pool_size=5\nlast = host=y\n",
			"[databases]\nother = host=x\napp = host=new port=6543 dbname='shop''s new' pool_size=5\nlast = host=y\n"},
		{"keys are added behind, in their order", "[databases]\napp = pool_size=5\n", "[databases]\napp = pool_size=5 host=new port=6543 dbname='shop''s new'\n"},
		{"nothing was given", "[databases]\napp =\n", "[databases]\napp = host=new port=6543 dbname='shop''s new'\n"},
		{"its formatting stays", "[databases]\n\t app\t=  port = 1   host='old'  dbname='a''b'  user=u  \n", "[databases]\n\t app\t=  port = 6543   host=new  dbname='shop''s new'  user=u  \n"},
		{"comments", "; app = host=1\n[databases]\n# app = host=2\n;app = host=3\napp = host=old\n", "; app = host=1\n[databases]\n# app = host=2\n;app = host=3\napp = host=new port=6543 dbname='shop''s new'\n"},
		{"other sections have its name too", "[users]\napp = pool_mode=session\n[databases]\napp = host=old\n[pgbouncer]\napp = 1\n", "[users]\napp = pool_mode=session\n[databases]\napp = host=new port=6543 dbname='shop''s new'\n[pgbouncer]\napp = 1\n"},
		{"carriage returns", "[databases]\r\napp = host=old\r\nx = host=1\r\n", "[databases]\r\napp = host=new port=6543 dbname='shop''s new'\r\nx = host=1\r\n"},
		{"no final newline", "[databases]\napp = host=old", "[databases]\napp = host=new port=6543 dbname='shop''s new'"},
		{"an included file has no section", "app = host=old\n", "app = host=new port=6543 dbname='shop''s new'\n"},
		{"beside an include", "[databases]\n%include more.ini\napp = host=old\n", "[databases]\n%include more.ini\napp = host=new port=6543 dbname='shop''s new'\n"},
		{"a quoted name", "[databases]\n\"app\" = host=old\n", "[databases]\n\"app\" = host=new port=6543 dbname='shop''s new'\n"},
		{"a name that begins alike", "[databases]\napp2 = host=2\napp = host=old\napp.x = host=3\n", "[databases]\napp2 = host=2\napp = host=new port=6543 dbname='shop''s new'\napp.x = host=3\n"},
		{"a value like a key", "[databases]\napp = password='host=no port=1' host=old connect_query='select ''host=5'''\n",
			"[databases]\napp = password='host=no port=1' host=new connect_query='select ''host=5''' port=6543 dbname='shop''s new'\n"},
		{"it is so already", "[databases]\napp = port='6543' host=new dbname='shop''s new'\n", "[databases]\napp = port='6543' host=new dbname='shop''s new'\n"},
		{"not utf-8", "[databases]\n; \xff\xfe\napp = host=old user='\xe9'\n", "[databases]\n; \xff\xfe\napp = host=new user='\xe9' port=6543 dbname='shop''s new'\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			settings, err := parseTarget(target)
			if err != nil {
				t.Fatal(err)
			}
			var changes []change
			for _, s := range settings {
				changes = append(changes, change{key: s.key, value: &s.value})
			}
			edited := edited(t, c.before, changes)
			if edited != c.after {
				t.Errorf("got\n%q, want\n%q", edited, c.after)
			}
			if again := editedOnce(t, edited, changes); again != c.after {
				t.Errorf("again:\n%q", again)
			}
		})
	}
}

func editedOnce(t *testing.T, text string, changes []change) string {
	t.Helper()
	e, err := findEntry(text, "app")
	if err != nil {
		t.Fatal(err)
	}
	return text[:e.at] + e.with(changes) + text[e.at+len(e.text):]
}

// edited edits, and makes sure that the way back leads to every byte.
func edited(t *testing.T, text string, changes []change) string {
	t.Helper()
	after := editedOnce(t, text, changes)
	was, _ := findEntry(text, "app")
	is, err := findEntry(after, "app")
	if err != nil {
		t.Fatal(err)
	}
	back, err := EditedFile{Before: masked(was.text), After: masked(is.text)}.back()
	if err != nil {
		t.Fatal(err)
	}
	if restored := editedOnce(t, after, back); restored != text {
		t.Errorf("restored\n%q, want\n%q", restored, text)
	}
	return after
}

// TestEntryRefused: what cannot be edited without guessing is an error, which
// quotes no value.
func TestEntryRefused(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"missing", "[databases]\nother = host=x\n", "there is no entry app"},
		{"missing, but for a star", "[databases]\n* = host=x\n", "* stands for"},
		{"in a comment alone", "[databases]\n;app = host=x\n", "there is no entry app"},
		{"in an included file", "[databases]\n%include /etc/more.ini\n", "name the included file"},
		{"in another section", "[users]\napp = pool_mode=session\n", "there is no entry app"},
		{"twice", "[databases]\napp = host=1\nx = host=2\napp = host=3\n", "twice, in lines 2 and 4"},
		{"a comment behind", "[databases]\napp = host=1 ; s3cret\n", "want key=value"},
		{"a quote that does not end", "[databases]\napp = host=1 password='s3cret\n", "password: want a value"},
		{"nothing behind a quote", "[databases]\napp = password='s3cret'host=1\n", "password: want a value"},
		{"a backslash", `[databases]` + "\n" + `app = password='s3\'cret'` + "\n", "password: want a value"},
		{"a tab", "[databases]\napp = host=1\tpassword=s3cret\n", "host: there is a tab"},
		{"no value", "[databases]\napp = host=\n", "host: want a value"},
		{"no equals sign", "[databases]\napp = s3cret\n", "want key=value"},
		{"a key twice", "[databases]\napp = host=1 host=2\n", "host stands there twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := findEntry(c.text, "app")
			says(t, err, c.want)
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("a secret: %v", err)
			}
		})
	}
}

func TestTargetRefused(t *testing.T) {
	for _, c := range []struct{ target, want string }{
		{"", "say where"},
		{"postgres://h/db", "want key=value"},
		{"host=a password=s3cret", "let both servers take the same"},
		{"host=a sslmode=require", "sslmode is not among"},
		{"host=a port=no", "port: want a number"},
		{"host=a port=0", "port: want a number"},
		{"host=a port=65536", "port: want a number"},
		{"host=a host=b", "twice"},
		{"host=", "host: want a value"},
	} {
		_, err := parseTarget(c.target)
		says(t, err, c.want)
		if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("a secret: %v", err)
		}
	}
}

// TestRestoredBesideOthers: what somebody else has changed in the line since
// stays; what stood there as it was quoted comes back; a password is not in what
// is remembered.
func TestRestoredBesideOthers(t *testing.T) {
	const before, after = `app = host='old' password=xxxxx`, `app = host=new password=xxxxx port=2`
	back, err := EditedFile{Before: before, After: after}.back()
	if err != nil {
		t.Fatal(err)
	}
	const now, want = "[databases]\napp =  host=new password='s3''cret' port=2 pool_size=9\n", "[databases]\napp =  host='old' password='s3''cret' pool_size=9\n"
	if got := editedOnce(t, now, back); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if m := masked(`app =  host=new password='s3''cret' pool_size=9`); m != `app =  host=new password=xxxxx pool_size=9` {
		t.Error(m)
	}
}
