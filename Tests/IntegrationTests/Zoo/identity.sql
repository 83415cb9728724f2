-- An identity server's tables: ids as varchar(36), link tables, names that are words of SQL, flags with defaults.
CREATE SCHEMA identity;
SET search_path = identity, public;

CREATE TABLE realm (
  id varchar(36) NOT NULL CONSTRAINT constraint_realm PRIMARY KEY,
  access_code_lifespan integer,
  enabled boolean DEFAULT false NOT NULL,
  name varchar(255) UNIQUE,
  password_policy varchar(2550),
  ssl_required varchar(255),
  not_before integer DEFAULT 0 NOT NULL,
  otp_policy_type varchar(36) DEFAULT 'totp'
);
CREATE TABLE realm_attribute (
  name varchar(255) NOT NULL,
  realm_id varchar(36) NOT NULL REFERENCES realm ON DELETE CASCADE,
  value text,
  PRIMARY KEY (name, realm_id)
);
CREATE TABLE client (
  id varchar(36) PRIMARY KEY,
  enabled boolean DEFAULT false NOT NULL,
  full_scope_allowed boolean DEFAULT false NOT NULL,
  client_id varchar(255),
  secret varchar(255),
  base_url varchar(255),
  realm_id varchar(36) REFERENCES realm ON DELETE CASCADE,
  node_rereg_timeout integer DEFAULT 0,
  CONSTRAINT uk_client UNIQUE (realm_id, client_id)
);
CREATE TABLE client_attributes (
  client_id varchar(36) NOT NULL REFERENCES client ON DELETE CASCADE,
  name varchar(255) NOT NULL,
  value text,
  CONSTRAINT constraint_3c PRIMARY KEY (client_id, name)
);
CREATE INDEX idx_client_att_by_name_value ON client_attributes (name, substr(value, 1, 255));
CREATE TABLE redirect_uris (
  client_id varchar(36) NOT NULL REFERENCES client ON DELETE CASCADE,
  value varchar(255) NOT NULL,
  PRIMARY KEY (client_id, value)
);
CREATE TABLE keycloak_role (
  id varchar(36) PRIMARY KEY,
  client_realm_constraint varchar(255),
  client_role boolean DEFAULT false NOT NULL,
  description varchar(255),
  name varchar(255),
  realm_id varchar(255),
  client varchar(36) REFERENCES client ON DELETE CASCADE,
  CONSTRAINT "UK_J3RWUVD56ONTGSUHOGM184WW2-2" UNIQUE (name, client_realm_constraint)
);
CREATE TABLE composite_role (
  composite varchar(36) NOT NULL REFERENCES keycloak_role ON DELETE CASCADE,
  child_role varchar(36) NOT NULL REFERENCES keycloak_role ON DELETE CASCADE,
  PRIMARY KEY (composite, child_role)
);
CREATE TABLE user_entity (
  id varchar(36) PRIMARY KEY,
  email varchar(255),
  email_constraint varchar(255),
  email_verified boolean DEFAULT false NOT NULL,
  enabled boolean DEFAULT false NOT NULL,
  username varchar(255),
  realm_id varchar(255),
  created_timestamp bigint,
  not_before integer DEFAULT 0 NOT NULL,
  CONSTRAINT uk_dykn684sl8up1crfei6eckhd7 UNIQUE (realm_id, email_constraint)
);
CREATE TABLE credential (
  id varchar(36) PRIMARY KEY,
  salt bytea,
  type varchar(255),
  user_id varchar(36) REFERENCES user_entity ON DELETE CASCADE,
  created_date bigint,
  secret_data text,
  credential_data text,
  priority integer
);
CREATE TABLE user_attribute (
  name varchar(255) NOT NULL,
  value varchar(255),
  user_id varchar(36) NOT NULL REFERENCES user_entity ON DELETE CASCADE,
  id varchar(36) DEFAULT 'sybase-needs-something-here' PRIMARY KEY,
  long_value_hash bytea,
  long_value text
);
CREATE INDEX user_attr_long_values ON user_attribute (long_value_hash, name);
CREATE TABLE user_role_mapping (
  role_id varchar(255) NOT NULL,
  user_id varchar(36) NOT NULL REFERENCES user_entity ON DELETE CASCADE,
  CONSTRAINT constraint_c PRIMARY KEY (role_id, user_id)
);
CREATE TABLE event_entity (
  id varchar(36) PRIMARY KEY,
  details_json varchar(2550),
  error varchar(255),
  ip_address varchar(255),
  event_time bigint,
  type varchar(255)
);
CREATE TABLE offline_user_session (
  user_session_id varchar(36) NOT NULL,
  user_id varchar(255) NOT NULL,
  created_on integer NOT NULL,
  offline_flag varchar(4) NOT NULL,
  data text,
  version integer DEFAULT 0,
  PRIMARY KEY (user_session_id, offline_flag)
);

INSERT INTO realm SELECT gen_random_uuid(), 60, true, 'realm ' || i, NULL, 'EXTERNAL' FROM generate_series(1, 5) i;
INSERT INTO realm_attribute SELECT 'a' || n, id, repeat('v', n * 50) FROM realm, generate_series(1, 8) n;
INSERT INTO client SELECT gen_random_uuid(), true, false, 'client' || n, md5(n::text), NULL, r.id FROM realm r, generate_series(1, 8) n;
INSERT INTO client_attributes SELECT c.id, 'attr.' || n, 'x' FROM client c, generate_series(1, 4) n;
INSERT INTO redirect_uris SELECT id, 'https://example.com/*' FROM client;
INSERT INTO keycloak_role SELECT gen_random_uuid(), c.id, true, '', 'role-' || n, c.realm_id, c.id FROM client c, generate_series(1, 2) n;
INSERT INTO composite_role SELECT a.id, b.id FROM keycloak_role a JOIN keycloak_role b ON a.client = b.client AND a.name < b.name;
INSERT INTO user_entity SELECT gen_random_uuid(), 'u' || i || '@example.com', 'u' || i, false, true, 'u' || i, 'master', 1700000000000 + i
  FROM generate_series(1, 90) i;
INSERT INTO credential SELECT gen_random_uuid(), '\x00ff', 'password', id, created_timestamp, '{"value":"x"}', '{}', 10 FROM user_entity;
INSERT INTO user_attribute SELECT 'locale', 'de', id, gen_random_uuid(), NULL, NULL FROM user_entity;
INSERT INTO user_role_mapping SELECT 'r' || i % 3, id FROM user_entity, generate_series(1, 2) i;
INSERT INTO event_entity SELECT gen_random_uuid(), '{}', NULL, '10.0.0.' || i, i, 'LOGIN' FROM generate_series(1, 100) i;
INSERT INTO offline_user_session SELECT gen_random_uuid(), 'u' || i, i, '0', repeat('{"s":1}', i) FROM generate_series(1, 60) i;
