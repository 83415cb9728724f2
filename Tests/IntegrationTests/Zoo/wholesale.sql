-- A wholesale supplier: composite keys that contain the parent's, composite foreign keys, fixed decimals.
CREATE SCHEMA wholesale;
SET search_path = wholesale, public;

CREATE TABLE warehouse (
  w_id smallint PRIMARY KEY,
  w_name varchar(10),
  w_street_1 varchar(20),
  w_state char(2),
  w_zip char(9),
  w_tax decimal(4,4),
  w_ytd decimal(12,2)
);
CREATE TABLE district (
  d_id smallint NOT NULL,
  d_w_id smallint NOT NULL REFERENCES warehouse,
  d_name varchar(10),
  d_tax decimal(4,4),
  d_ytd decimal(12,2),
  d_next_o_id int,
  PRIMARY KEY (d_w_id, d_id)
);
CREATE TABLE customer (
  c_id int NOT NULL,
  c_d_id smallint NOT NULL,
  c_w_id smallint NOT NULL,
  c_first varchar(16),
  c_middle char(2),
  c_last varchar(16),
  c_since timestamp,
  c_credit char(2),
  c_credit_lim decimal(12,2),
  c_discount decimal(4,4),
  c_balance decimal(12,2),
  c_ytd_payment decimal(12,2),
  c_payment_cnt smallint,
  c_data varchar(500),
  PRIMARY KEY (c_w_id, c_d_id, c_id),
  FOREIGN KEY (c_w_id, c_d_id) REFERENCES district (d_w_id, d_id)
);
CREATE INDEX idx_customer_name ON customer (c_w_id, c_d_id, c_last, c_first);
CREATE TABLE history (
  hist_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  h_c_id int,
  h_c_d_id smallint,
  h_c_w_id smallint,
  h_date timestamp,
  h_amount decimal(6,2),
  h_data varchar(24),
  FOREIGN KEY (h_c_w_id, h_c_d_id, h_c_id) REFERENCES customer (c_w_id, c_d_id, c_id) ON DELETE SET NULL
);
CREATE TABLE orders (
  o_id int NOT NULL,
  o_d_id smallint NOT NULL,
  o_w_id smallint NOT NULL,
  o_c_id int,
  o_entry_d timestamp,
  o_carrier_id smallint,
  o_ol_cnt smallint,
  o_all_local smallint CHECK (o_all_local IN (0, 1)),
  PRIMARY KEY (o_w_id, o_d_id, o_id),
  FOREIGN KEY (o_w_id, o_d_id, o_c_id) REFERENCES customer (c_w_id, c_d_id, c_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX idx_order_customer ON orders (o_w_id, o_d_id, o_c_id, o_id);
CREATE TABLE new_orders (
  no_o_id int NOT NULL,
  no_d_id smallint NOT NULL,
  no_w_id smallint NOT NULL,
  PRIMARY KEY (no_w_id, no_d_id, no_o_id),
  FOREIGN KEY (no_w_id, no_d_id, no_o_id) REFERENCES orders (o_w_id, o_d_id, o_id) ON DELETE CASCADE
);
CREATE TABLE item (
  i_id int PRIMARY KEY,
  i_im_id int,
  i_name varchar(24),
  i_price decimal(5,2),
  i_data varchar(50)
);
CREATE TABLE stock (
  s_i_id int NOT NULL REFERENCES item ON DELETE CASCADE,
  s_w_id smallint NOT NULL REFERENCES warehouse,
  s_quantity smallint,
  s_dist_01 char(24),
  s_dist_02 char(24),
  s_ytd decimal(8,0),
  s_data varchar(50),
  PRIMARY KEY (s_w_id, s_i_id)
);
CREATE TABLE order_line (
  ol_o_id int NOT NULL,
  ol_d_id smallint NOT NULL,
  ol_w_id smallint NOT NULL,
  ol_number smallint NOT NULL,
  ol_i_id int,
  ol_supply_w_id smallint,
  ol_delivery_d timestamp,
  ol_quantity smallint,
  ol_amount decimal(6,2),
  ol_dist_info char(24),
  PRIMARY KEY (ol_w_id, ol_d_id, ol_o_id, ol_number),
  FOREIGN KEY (ol_w_id, ol_d_id, ol_o_id) REFERENCES orders ON DELETE CASCADE,
  FOREIGN KEY (ol_supply_w_id, ol_i_id) REFERENCES stock (s_w_id, s_i_id) ON DELETE CASCADE
);

INSERT INTO warehouse SELECT i, 'W' || i, i || ' Street', 'NY', '123456789', 0.0725, 300000 FROM generate_series(1, 4) i;
INSERT INTO district SELECT d, w, 'D' || d, 0.05, 30000, 3001 FROM generate_series(1, 4) w, generate_series(1, 5) d;
INSERT INTO customer SELECT c, d, w, 'F' || c, 'OE', 'BAR' || c % 5, '2020-01-01', 'GC', 50000, 0.1, -10, 10, 1, repeat('data ', c * 4)
  FROM generate_series(1, 4) w, generate_series(1, 5) d, generate_series(1, 10) c;
INSERT INTO history (h_c_id, h_c_d_id, h_c_w_id, h_date, h_amount, h_data)
  SELECT c_id, c_d_id, c_w_id, c_since, 10, NULL FROM customer;
INSERT INTO orders SELECT c_id, c_d_id, c_w_id, c_id, c_since, NULLIF(c_id % 4, 0), 2, 1 FROM customer;
INSERT INTO new_orders SELECT o_id, o_d_id, o_w_id FROM orders WHERE o_id > 7;
INSERT INTO item SELECT i, i, 'Item ' || i, i / 10.0, 'original' FROM generate_series(1, 50) i;
INSERT INTO stock SELECT i, w, i % 100, 'dist', NULL, 0, 'd' FROM generate_series(1, 50) i, generate_series(1, 4) w;
INSERT INTO order_line SELECT o_id, o_d_id, o_w_id, n, 1 + (o_id * n) % 50, o_w_id, NULL, 5, 12.5, 'info'
  FROM orders, generate_series(1, 2) n;
