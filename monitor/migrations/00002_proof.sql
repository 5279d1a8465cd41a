-- +goose Up
-- The last full pass that was a match, as a JSON report: what a switch may rest on. '' for none.
ALTER TABLE pairs ADD COLUMN proof TEXT NOT NULL DEFAULT '';
