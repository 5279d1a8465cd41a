package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/config"
	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// TestOptionsOfWhatReplicates: primaries are opened only where they are given,
// and markers reach the fence with names that the server quoted.
func TestOptionsOfWhatReplicates(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a server")
	}
	url := pgcluster.Shared(t, 15).TestDB(t)
	p := config.Default()
	p.Source, p.Target, p.SourcePrimary, p.Replication = url, url, url, "heartbeat"
	p.Heartbeats = []config.Heartbeat{
		{Schema: "public", Table: "hb", Column: "n"},
		{Schema: "My.Schema", Table: "order", Column: `B"eat`, KeyColumn: "Key", Key: "1", Strike: true},
	}
	s, err := connectAll(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	o, err := s.options(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if o.Replication != fence.KindHeartbeat || o.SourcePrimary == nil || o.SourcePrimary == s.source || o.TargetPrimary != nil {
		t.Errorf("replication %s, primaries %v and %v", o.Replication, o.SourcePrimary, o.TargetPrimary)
	}
	want := []fence.Heartbeat{
		{Beat: postgres.Beat{Table: "public.hb", Column: "n"}},
		{Beat: postgres.Beat{Table: `"My.Schema"."order"`, Column: `B"eat`, KeyColumn: "Key", Key: "1"}, Strike: true},
	}
	if diff := cmp.Diff(want, o.Heartbeats); diff != "" {
		t.Error(diff)
	}
}

// Every word of --replication is a kind that fences know.
func TestReplicationWords(t *testing.T) {
	want := []string{string(fence.Auto), string(fence.KindLogical), string(fence.KindPhysical), string(fence.KindHeartbeat),
		string(fence.KindPglogical), string(fence.KindBucardo), string(fence.KindStill)}
	if diff := cmp.Diff(want, config.Options().Words("replication")); diff != "" {
		t.Error(diff)
	}
}
