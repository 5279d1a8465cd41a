package preflight

func init() {
	lives = append(lives,
		life{
			id: "replica-identity-missing", replicated: true,
			both:   []string{`CREATE TABLE good (id int PRIMARY KEY); CREATE TABLE full_ (id int); ALTER TABLE full_ REPLICA IDENTITY FULL`},
			source: []string{`CREATE TABLE bad (id int)`, `CREATE TABLE part (id int) PARTITION BY LIST (id)`, `CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1)`},
			want:   []string{"source public.bad", "source public.part_1"}, says: "UPDATE and DELETE", mends: true,
		},
	)
}
