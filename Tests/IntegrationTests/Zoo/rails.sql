-- What Rails' migrations write: bigserial keys, timestamp(6), polymorphic links, jsonb, arrays, partial unique indexes.
CREATE SCHEMA rails;
SET search_path = rails, public;

CREATE TABLE schema_migrations (version character varying NOT NULL PRIMARY KEY);
CREATE TABLE ar_internal_metadata (
  key character varying NOT NULL PRIMARY KEY,
  value character varying,
  created_at timestamp(6) without time zone NOT NULL,
  updated_at timestamp(6) without time zone NOT NULL
);
CREATE TABLE users (
  id bigserial PRIMARY KEY,
  email public.citext NOT NULL DEFAULT '',
  encrypted_password character varying DEFAULT '' NOT NULL,
  reset_password_token character varying,
  sign_in_count integer DEFAULT 0 NOT NULL,
  current_sign_in_at timestamp(6) without time zone,
  last_sign_in_ip inet,
  role integer DEFAULT 0 NOT NULL,
  settings jsonb DEFAULT '{}' NOT NULL,
  preferences public.hstore,
  admin boolean DEFAULT false,
  created_at timestamp(6) without time zone NOT NULL,
  updated_at timestamp(6) without time zone NOT NULL
);
CREATE UNIQUE INDEX index_users_on_email ON users USING btree (email);
CREATE UNIQUE INDEX index_users_on_reset_password_token ON users (reset_password_token) WHERE reset_password_token IS NOT NULL;
CREATE INDEX index_users_on_lower_email ON users (lower(email::text));
CREATE INDEX index_users_on_settings ON users USING gin (settings);

CREATE TABLE posts (
  id uuid DEFAULT gen_random_uuid() NOT NULL PRIMARY KEY,
  user_id bigint REFERENCES users ON DELETE CASCADE,
  title character varying,
  slug character varying,
  body text,
  tags character varying[] DEFAULT '{}'::character varying[],
  ratings integer[] DEFAULT '{}',
  published_on date,
  opens_at time without time zone,
  views bigint DEFAULT 0,
  price numeric(10,2),
  score double precision,
  deleted_at timestamp(6) without time zone,
  lock_version integer DEFAULT 0 NOT NULL
);
CREATE UNIQUE INDEX index_posts_on_slug ON posts (slug) WHERE deleted_at IS NULL;
CREATE INDEX index_posts_on_user_id_and_published_on ON posts (user_id, published_on DESC NULLS LAST);

CREATE TABLE comments (
  id bigserial PRIMARY KEY,
  commentable_type character varying NOT NULL,
  commentable_id uuid NOT NULL,
  parent_id bigint REFERENCES comments ON DELETE SET NULL,
  user_id bigint REFERENCES users ON DELETE SET NULL,
  body text NOT NULL,
  path public.ltree
);
CREATE INDEX index_comments_on_commentable ON comments (commentable_type, commentable_id);

CREATE TABLE tags (id bigserial PRIMARY KEY, name character varying NOT NULL, taggings_count integer DEFAULT 0);
CREATE UNIQUE INDEX index_tags_on_name ON tags (name);
CREATE TABLE taggings (
  tag_id bigint NOT NULL REFERENCES tags ON DELETE CASCADE,
  post_id uuid NOT NULL REFERENCES posts ON DELETE CASCADE
);
CREATE UNIQUE INDEX index_taggings_on_both ON taggings (tag_id, post_id);
ALTER TABLE taggings REPLICA IDENTITY USING INDEX index_taggings_on_both;

CREATE TABLE active_storage_blobs (
  id bigserial PRIMARY KEY,
  key character varying NOT NULL UNIQUE,
  filename character varying NOT NULL,
  content_type character varying,
  metadata text,
  byte_size bigint NOT NULL CHECK (byte_size >= 0),
  checksum character varying
);
CREATE TABLE active_storage_attachments (
  id bigserial PRIMARY KEY,
  name character varying NOT NULL,
  record_type character varying NOT NULL,
  record_id bigint NOT NULL,
  blob_id bigint NOT NULL REFERENCES active_storage_blobs ON DELETE CASCADE,
  CONSTRAINT index_active_storage_attachments_uniqueness UNIQUE (record_type, record_id, name, blob_id)
);
CREATE TABLE good_jobs (
  id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
  queue_name text,
  priority smallint,
  serialized_params jsonb,
  scheduled_at timestamp(6) without time zone,
  finished_at timestamp(6) without time zone,
  error text,
  labels text[],
  runtime interval
);
CREATE INDEX index_good_jobs_ready ON good_jobs (priority, scheduled_at) WHERE finished_at IS NULL;

INSERT INTO schema_migrations SELECT to_char(20200101000000 + i * 1000, 'FM99999999999999') FROM generate_series(1, 40) i;
INSERT INTO ar_internal_metadata VALUES ('environment', 'production', '2024-01-01', '2024-01-01 00:00:00.123456'),
  ('schema_sha1', NULL, '2024-01-01', '2024-01-01'), ('c', 'd', '2024-01-01', '2024-01-01');
INSERT INTO users (email, settings, preferences, last_sign_in_ip, created_at, updated_at)
  SELECT 'User' || i || '@Example.com', jsonb_build_object('theme', 'dark', 'n', i), hstore('a', i::text), '10.0.0.1'::inet + i,
    '2024-01-01', '2024-01-01' FROM generate_series(1, 80) i;
INSERT INTO posts (user_id, title, slug, body, tags, ratings, published_on, opens_at, price, score)
  SELECT 1 + i % 80, 'Title ' || i, 'slug-' || i, repeat('body ' || i, i * 20), ARRAY['a', 'b"' || i], ARRAY[[1, i], [2, NULL]],
    '2024-01-01'::date + i, '08:30', i / 4.0, sqrt(i) FROM generate_series(1, 100) i;
INSERT INTO comments (commentable_type, commentable_id, parent_id, user_id, body, path)
  SELECT 'Post', (SELECT id FROM posts LIMIT 1), NULLIF(i / 2, 0), 1 + i % 80, 'c' || i, ('top.n' || i)::ltree FROM generate_series(1, 150) i;
INSERT INTO tags (name) SELECT 'tag ' || i FROM generate_series(1, 30) i;
INSERT INTO taggings SELECT t.id, p.id FROM tags t, posts p WHERE t.id % 10 = p.views % 10 + 1;
INSERT INTO active_storage_blobs (key, filename, byte_size) SELECT md5(i::text), i || '.png', i * 1000 FROM generate_series(1, 40) i;
INSERT INTO active_storage_attachments (name, record_type, record_id, blob_id) SELECT 'avatar', 'User', i, i FROM generate_series(1, 40) i;
INSERT INTO good_jobs (queue_name, priority, serialized_params, labels, runtime)
  SELECT 'default', i % 3, jsonb_build_object('job_class', 'J' || i), ARRAY['x', NULL], i * interval '1 second' FROM generate_series(1, 60) i;
