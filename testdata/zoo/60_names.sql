-- Names that have to be quoted, that look like others, that are as long as can be.
CREATE TABLE public."Weird ""name""" ("Id" integer PRIMARY KEY, "a.b" text, "select" integer, "it's" text, "ta	b" text, "new
line" text, "back\slash" text, "$1" text, "%s" text, "--" text);
INSERT INTO public."Weird ""name""" SELECT g, g, g, g, g, g, g, g, g, g FROM generate_series(1, 200) g;
CREATE TABLE public."dots.in.it" ("public.t" integer PRIMARY KEY, CONSTRAINT "c.k" CHECK ("public.t" > 0));
INSERT INTO public."dots.in.it" SELECT generate_series(1, 200);
CREATE TABLE public."dots" ("in.it" integer PRIMARY KEY);
INSERT INTO public."dots" SELECT generate_series(1, 200);
CREATE TABLE public." lead and trail " (" " integer PRIMARY KEY, "  " text);
INSERT INTO public." lead and trail " SELECT g, g FROM generate_series(1, 200) g;
CREATE TABLE public."table" ("order" integer PRIMARY KEY, "user" text DEFAULT CURRENT_USER, "limit" integer CHECK ("limit" > "order"));
INSERT INTO public."table" SELECT g, 'u', g + 1 FROM generate_series(1, 200) g;
CREATE TABLE public."größe_用户_😀" ("ключ" integer PRIMARY KEY, "é" text, "é" text);
INSERT INTO public."größe_用户_😀" SELECT g, g, -g FROM generate_series(1, 200) g;
CREATE TABLE public."nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" (nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn integer PRIMARY KEY, CONSTRAINT nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn CHECK (nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn > 0));
INSERT INTO public."nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" SELECT generate_series(1, 200);
CREATE INDEX "üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüx" ON public."nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" ((nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn + 1));
CREATE TABLE public."Case" (id integer PRIMARY KEY, "ID" integer, "Id" integer);
CREATE TABLE public."case" (id integer PRIMARY KEY, "ID" integer, "iD" integer);
INSERT INTO public."Case" SELECT g, g + 1, g + 2 FROM generate_series(1, 200) g;
INSERT INTO public."case" SELECT g, g + 3, g + 4 FROM generate_series(1, 200) g;
CREATE TABLE public."a*b?[c]" (id integer PRIMARY KEY);
INSERT INTO public."a*b?[c]" SELECT generate_series(1, 200);
CREATE TABLE public."/* no */ -- ; DROP" (id serial PRIMARY KEY, v text);
INSERT INTO public."/* no */ -- ; DROP" (v) SELECT generate_series(1, 200);

-- The same names in several schemas, one of them a keyword, one a puzzle.
CREATE TABLE north.animals (id serial PRIMARY KEY, name text DEFAULT 'bear');
CREATE TABLE south.animals (id serial PRIMARY KEY, name text DEFAULT 'seal');
CREATE TABLE public.animals (id serial PRIMARY KEY, name text DEFAULT 'cat');
CREATE TABLE "select".animals (id serial PRIMARY KEY, name text DEFAULT 'none');
CREATE TABLE "Weird ""schema"".v1".animals (id serial PRIMARY KEY, name text DEFAULT 'odd');
CREATE TABLE "Weird ""schema"".v1"."Weird ""name""" (id serial PRIMARY KEY, "from" text DEFAULT 'odd');
INSERT INTO north.animals (name) SELECT 'bear ' || g FROM generate_series(1, 200) g;
INSERT INTO south.animals (name) SELECT 'seal ' || g FROM generate_series(1, 220) g;
INSERT INTO public.animals (name) SELECT 'cat ' || g FROM generate_series(1, 240) g;
INSERT INTO "select".animals (name) SELECT 'none ' || g FROM generate_series(1, 260) g;
INSERT INTO "Weird ""schema"".v1".animals (name) SELECT 'odd ' || g FROM generate_series(1, 280) g;
INSERT INTO "Weird ""schema"".v1"."Weird ""name""" ("from") SELECT 'odd ' || g FROM generate_series(1, 280) g;
CREATE INDEX by_name ON north.animals (name);
CREATE INDEX by_name ON south.animals (name DESC);
CREATE INDEX by_name ON public.animals (lower(name));
ALTER TABLE south.animals ADD FOREIGN KEY (id) REFERENCES north.animals NOT VALID;
CREATE FUNCTION north.speak(integer) RETURNS text LANGUAGE sql AS 'SELECT $1::text';
CREATE FUNCTION south.speak(integer) RETURNS text LANGUAGE sql AS $$SELECT 'south'::text$$;
CREATE TYPE north.animal AS ENUM ('bear', 'fox');
CREATE TYPE south.animal AS ENUM ('seal', 'fox');
CREATE VIEW north.all_animals AS SELECT 'north' AS place, n.* FROM north.animals n UNION ALL SELECT 'south', s.* FROM south.animals s;
CREATE VIEW south.all_animals AS SELECT name, count(*) AS how_many FROM south.animals GROUP BY name HAVING count(*) > 0;
