-- The demo's source database, run by a superuser; the password comes from the environment.
\getenv password SOURCE_PASSWORD
CREATE ROLE penstock LOGIN REPLICATION PASSWORD :'password';
CREATE DATABASE shop OWNER penstock;
