-- The tables of the subscriptions $1.
SELECT q.name, q.name, coalesce(s.subname, ''), r.srsubstate, r.xmin
FROM pg_catalog.pg_subscription_rel r
JOIN pg_catalog.pg_class c ON c.oid = r.srrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name) q
LEFT JOIN (SELECT DISTINCT st.subid, st.subname FROM pg_catalog.pg_stat_subscription st) s ON s.subid = r.srsubid
WHERE r.srsubid = ANY ($1::pg_catalog.oid[])
ORDER BY 1, 3
