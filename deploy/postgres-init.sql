-- Runs once, on an empty volume. The product's role owns its database and is no superuser: it can neither read the
-- server's files nor run programs on it.
\set password `cat /run/secrets/database_password`
CREATE ROLE clinchat LOGIN PASSWORD :'password';
CREATE DATABASE clinchat OWNER clinchat;
\connect clinchat
CREATE EXTENSION vector;
