CREATE SCHEMA format_3;
CREATE TABLE format_3.cameras (
    camera character varying NOT NULL COLLATE pg_catalog."C",
    folded character varying NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE format_3.failures (
    path character varying NOT NULL COLLATE pg_catalog."C",
    reason character varying NOT NULL COLLATE pg_catalog."C",
    size bigint NOT NULL,
    mtime_ns bigint NOT NULL,
    failed bigint NOT NULL
);
CREATE TABLE format_3.generations (
    number bigint NOT NULL,
    current integer NOT NULL,
    fingerprint json NOT NULL,
    rows bigint NOT NULL,
    index_sha256 character varying(64),
    index_info json,
    kind character varying(16) DEFAULT 'images'::character varying NOT NULL,
    recipe json DEFAULT '{}'::json NOT NULL
);
CREATE SEQUENCE format_3.generations_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE format_3.generations_number_seq OWNED BY format_3.generations.number;
CREATE TABLE format_3.images (
    id bigint NOT NULL,
    sha256 bytea NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    format character varying(16) NOT NULL,
    taken bigint,
    camera character varying COLLATE pg_catalog."C",
    size bigint,
    added bigint NOT NULL,
    removed bigint
);
CREATE SEQUENCE format_3.images_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE format_3.images_id_seq OWNED BY format_3.images.id;
CREATE TABLE format_3.locations (
    id bigint NOT NULL,
    path character varying NOT NULL COLLATE pg_catalog."C",
    image_id bigint NOT NULL,
    size bigint NOT NULL,
    mtime_ns bigint NOT NULL
);
CREATE SEQUENCE format_3.locations_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE format_3.locations_id_seq OWNED BY format_3.locations.id;
CREATE TABLE format_3.roots (
    path character varying NOT NULL COLLATE pg_catalog."C",
    options json NOT NULL
);
CREATE TABLE format_3.settings (
    key character varying(64) NOT NULL,
    value json NOT NULL
);
CREATE TABLE format_3.state (
    id integer NOT NULL,
    changes bigint NOT NULL
);
CREATE TABLE format_3.verdicts (
    query_sha256 bytea NOT NULL,
    image_id bigint NOT NULL,
    same integer NOT NULL,
    score double precision NOT NULL,
    generation bigint NOT NULL,
    made bigint NOT NULL
);
ALTER TABLE ONLY format_3.generations ALTER COLUMN number SET DEFAULT nextval('format_3.generations_number_seq'::regclass);
ALTER TABLE ONLY format_3.images ALTER COLUMN id SET DEFAULT nextval('format_3.images_id_seq'::regclass);
ALTER TABLE ONLY format_3.locations ALTER COLUMN id SET DEFAULT nextval('format_3.locations_id_seq'::regclass);
INSERT INTO format_3.cameras VALUES ('Canon EOS 80D', 'canon eos 80d');
INSERT INTO format_3.failures VALUES ('/photos/bad.jpg', 'damaged JPEG', 5, 6, 1795315759052741);
INSERT INTO format_3.generations VALUES (1, 1, '{"checkpoint": "colours", "weights_sha256": "abababababababababababababababababababababababababababababababab", "preprocessing": "squash-224", "pooling": "cls", "dimension": 48, "scales": "1", "numbers": "float32", "agreement": 1.0}', 0, NULL, NULL, 'images', '{}');
INSERT INTO format_3.images VALUES (1, '\x6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b', 640, 480, 'JPEG', NULL, 'Canon EOS 80D', 7, 1795315759052741, NULL);
INSERT INTO format_3.images VALUES (2, '\xd4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35', 640, 480, 'JPEG', NULL, 'Canon EOS 80D', 7, 1795315759052741, NULL);
INSERT INTO format_3.images VALUES (3, '\x4e07408562bedb8b60ce05c1decfe3ad16b72230967de01f640b7e4729b49fce', 640, 480, 'JPEG', NULL, NULL, 7, 1795315759052741, NULL);
INSERT INTO format_3.images VALUES (4, '\x4b227777d4dd1fc61c6f884f48641d02b4d121d3fd328cb08b5531fcacdabf8a', 640, 480, 'JPEG', NULL, NULL, 7, 1795315759052741, 1795315759074685);
INSERT INTO format_3.locations VALUES (1, '/photos/1.jpg', 1, 7, 9);
INSERT INTO format_3.locations VALUES (2, '/photos/2.jpg', 2, 7, 9);
INSERT INTO format_3.locations VALUES (3, '/photos/3.jpg', 3, 7, 9);
INSERT INTO format_3.roots VALUES ('/photos', '{}');
INSERT INTO format_3.settings VALUES ('format', '3');
INSERT INTO format_3.state VALUES (1, 4);
INSERT INTO format_3.verdicts VALUES ('\xcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd', 2, 1, 0.5, 1, 1767225600000000);
SELECT pg_catalog.setval('format_3.generations_number_seq', 1, true);
SELECT pg_catalog.setval('format_3.images_id_seq', 4, true);
SELECT pg_catalog.setval('format_3.locations_id_seq', 4, true);
ALTER TABLE ONLY format_3.cameras
    ADD CONSTRAINT cameras_pkey PRIMARY KEY (camera);
ALTER TABLE ONLY format_3.failures
    ADD CONSTRAINT failures_pkey PRIMARY KEY (path);
ALTER TABLE ONLY format_3.generations
    ADD CONSTRAINT generations_pkey PRIMARY KEY (number);
ALTER TABLE ONLY format_3.images
    ADD CONSTRAINT images_pkey PRIMARY KEY (id);
ALTER TABLE ONLY format_3.images
    ADD CONSTRAINT images_sha256_key UNIQUE (sha256);
ALTER TABLE ONLY format_3.locations
    ADD CONSTRAINT locations_path_key UNIQUE (path);
ALTER TABLE ONLY format_3.locations
    ADD CONSTRAINT locations_pkey PRIMARY KEY (id);
ALTER TABLE ONLY format_3.roots
    ADD CONSTRAINT roots_pkey PRIMARY KEY (path);
ALTER TABLE ONLY format_3.settings
    ADD CONSTRAINT settings_pkey PRIMARY KEY (key);
ALTER TABLE ONLY format_3.state
    ADD CONSTRAINT state_pkey PRIMARY KEY (id);
ALTER TABLE ONLY format_3.verdicts
    ADD CONSTRAINT verdicts_pkey PRIMARY KEY (query_sha256, image_id);
CREATE INDEX images_removed ON format_3.images USING btree (removed) WHERE (removed IS NOT NULL);
CREATE INDEX ix_locations_image_id ON format_3.locations USING btree (image_id);
ALTER TABLE ONLY format_3.locations
    ADD CONSTRAINT locations_image_id_fkey FOREIGN KEY (image_id) REFERENCES format_3.images(id);
