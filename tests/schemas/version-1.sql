BEGIN TRANSACTION;
CREATE TABLE events (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                at INTEGER NOT NULL,
                bot TEXT NOT NULL,
                kind TEXT NOT NULL,
                detail TEXT NOT NULL DEFAULT '{}',
                run INTEGER NOT NULL REFERENCES runs (id)
            );
INSERT INTO "events" VALUES(1,1482186550061,'helper','start','{"facts":{"down_ms":26,"attempts":1,"link":1}}',1);
INSERT INTO "events" VALUES(2,1482186550062,'deploybot','start','{"facts":{"down_ms":28,"attempts":1,"link":1}}',1);
INSERT INTO "events" VALUES(3,1482186551064,'deploybot','link_end','{"facts":{"link":1,"lived_ms":1002,"cause":"abrupt_close"}}',1);
INSERT INTO "events" VALUES(4,1482186551064,'deploybot','stop','{"facts":{"cause":"abrupt_close","up_ms":1002},"failure":{"cause":"abrupt_close","phase":"live","detail":"","close_code":1006,"evidence":{"host":"127.0.0.1"}}}',1);
INSERT INTO "events" VALUES(5,1482186551065,'helper','link_end','{"facts":{"link":1,"lived_ms":1004,"cause":"reset"}}',1);
INSERT INTO "events" VALUES(6,1482186551065,'helper','stop','{"facts":{"cause":"reset","up_ms":1004},"failure":{"cause":"reset","phase":"live","detail":"","close_code":1006,"evidence":{"host":"127.0.0.1","errno":104,"error":"Connection reset by peer"}}}',1);
INSERT INTO "events" VALUES(7,1482186555509,'helper','start','{"facts":{"down_ms":4444,"attempts":1,"link":2}}',1);
INSERT INTO "events" VALUES(8,1482186555540,'deploybot','start','{"facts":{"down_ms":4476,"attempts":1,"link":2}}',1);
INSERT INTO "events" VALUES(9,1482186562547,'deploybot','handover','{"facts":{"reason":"goodbye","link":3,"lived_ms":7007}}',1);
INSERT INTO "events" VALUES(10,1482186562547,'deploybot','link_end','{"facts":{"link":2,"lived_ms":7007,"cause":"goodbye"}}',1);
INSERT INTO "events" VALUES(11,1482186565890,'','setting','{"facts":{"name":"paused:helper"}}',1);
INSERT INTO "events" VALUES(12,1482186565890,'helper','stop','{"facts":{"cause":"user","up_ms":10381}}',1);
INSERT INTO "events" VALUES(13,1482186565890,'helper','link_end','{"facts":{"link":2,"lived_ms":10381,"cause":"user"}}',1);
INSERT INTO "events" VALUES(14,1482186565890,'helper','pause','{}',1);
INSERT INTO "events" VALUES(15,1482186568163,'helper','resume','{}',1);
INSERT INTO "events" VALUES(16,1482186568164,'','setting','{"facts":{"name":"paused:helper"}}',1);
INSERT INTO "events" VALUES(17,1482186568185,'helper','start','{"facts":{"down_ms":22,"attempts":1,"link":3}}',1);
INSERT INTO "events" VALUES(18,1482186571386,'deploybot','handover','{"facts":{"reason":"user","link":4,"lived_ms":8839}}',1);
INSERT INTO "events" VALUES(19,1482186571386,'deploybot','link_end','{"facts":{"link":3,"lived_ms":8839,"cause":"user"}}',1);
INSERT INTO "events" VALUES(20,1482186574409,'deploybot','link_end','{"facts":{"link":4,"lived_ms":3023,"cause":"closed_by_slack"}}',1);
INSERT INTO "events" VALUES(21,1482186574409,'deploybot','stop','{"facts":{"cause":"closed_by_slack","up_ms":18869},"failure":{"cause":"closed_by_slack","phase":"live","detail":"bye","close_code":4000,"evidence":{"host":"127.0.0.1"}}}',1);
INSERT INTO "events" VALUES(22,1482186578596,'deploybot','start','{"facts":{"down_ms":4187,"attempts":1,"link":5}}',1);
INSERT INTO "events" VALUES(23,1482186582412,'helper','stop','{"facts":{"cause":"quit","up_ms":14227}}',1);
INSERT INTO "events" VALUES(24,1482186582412,'helper','link_end','{"facts":{"link":3,"lived_ms":14227,"cause":"quit"}}',1);
INSERT INTO "events" VALUES(25,1482186582412,'deploybot','stop','{"facts":{"cause":"quit","up_ms":3816}}',1);
INSERT INTO "events" VALUES(26,1482186582412,'deploybot','link_end','{"facts":{"link":5,"lived_ms":3816,"cause":"quit"}}',1);
INSERT INTO "events" VALUES(27,1482186582924,'helper','start','{"facts":{"down_ms":25,"attempts":1,"link":1}}',2);
INSERT INTO "events" VALUES(28,1482186582931,'deploybot','start','{"facts":{"down_ms":32,"attempts":1,"link":1}}',2);
CREATE TABLE runs (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                token TEXT NOT NULL UNIQUE,
                started_wall_ms INTEGER NOT NULL,
                started_at INTEGER NOT NULL,
                boot_id TEXT,
                version TEXT NOT NULL,
                taken INTEGER NOT NULL DEFAULT 0
            );
INSERT INTO "runs" VALUES(1,'8b7fc04c237442b88847a4e7c3333c61',1482186550000,27503001,'0f0a6b1e-2016-4c20-8a07-291006100600','0.1.0',17);
INSERT INTO "runs" VALUES(2,'651212d976dc4dd8a1b43175e5def3e4',1482186582887,27535887,'0f0a6b1e-2016-4c20-8a07-291006100600','0.1.0',4);
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "settings" VALUES('paused:helper','0');
CREATE TABLE spans (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                bot TEXT NOT NULL,
                state TEXT NOT NULL,
                started_at INTEGER NOT NULL,
                lasted_ms INTEGER NOT NULL DEFAULT 0 CHECK (lasted_ms >= 0),
                seen_at INTEGER NOT NULL,
                ended_at INTEGER,
                cause TEXT,
                close_code INTEGER,
                detail TEXT NOT NULL DEFAULT '',
                evidence TEXT NOT NULL DEFAULT '{}',
                attempts INTEGER NOT NULL DEFAULT 0,
                transport TEXT NOT NULL,
                run INTEGER NOT NULL REFERENCES runs (id),
                CHECK (seen_at >= started_at)
            );
INSERT INTO "spans" VALUES(1,'deploybot','connecting',1482186550034,28,1482186550062,1482186550062,NULL,NULL,'','{}',1,'rtm',1);
INSERT INTO "spans" VALUES(2,'helper','connecting',1482186550035,26,1482186550061,1482186550061,NULL,NULL,'','{}',1,'rtm',1);
INSERT INTO "spans" VALUES(3,'helper','online',1482186550061,1004,1482186551065,1482186551065,'reset',1006,'','{"phase":"live","host":"127.0.0.1","errno":104,"error":"Connection reset by peer"}',0,'rtm',1);
INSERT INTO "spans" VALUES(4,'deploybot','online',1482186550062,1002,1482186551064,1482186551064,'abrupt_close',1006,'','{"phase":"live","host":"127.0.0.1"}',0,'rtm',1);
INSERT INTO "spans" VALUES(5,'deploybot','offline',1482186551064,4476,1482186555540,1482186555540,NULL,NULL,'','{}',1,'rtm',1);
INSERT INTO "spans" VALUES(6,'helper','offline',1482186551065,4444,1482186555509,1482186555509,NULL,NULL,'','{}',1,'rtm',1);
INSERT INTO "spans" VALUES(7,'helper','online',1482186555509,10381,1482186565890,1482186565890,'user',NULL,'','{}',0,'rtm',1);
INSERT INTO "spans" VALUES(8,'deploybot','online',1482186555540,18869,1482186574409,1482186574409,'closed_by_slack',4000,'bye','{"phase":"live","host":"127.0.0.1"}',0,'rtm',1);
INSERT INTO "spans" VALUES(9,'helper','paused',1482186565890,2273,1482186568163,1482186568163,NULL,NULL,'','{}',0,'rtm',1);
INSERT INTO "spans" VALUES(10,'helper','connecting',1482186568163,22,1482186568185,1482186568185,NULL,NULL,'','{}',1,'rtm',1);
INSERT INTO "spans" VALUES(11,'helper','online',1482186568185,14227,1482186582412,1482186582412,'quit',NULL,'','{}',0,'rtm',1);
INSERT INTO "spans" VALUES(12,'deploybot','offline',1482186574409,4187,1482186578596,1482186578596,NULL,NULL,'','{}',1,'rtm',1);
INSERT INTO "spans" VALUES(13,'deploybot','online',1482186578596,3816,1482186582412,1482186582412,'quit',NULL,'','{}',0,'rtm',1);
INSERT INTO "spans" VALUES(14,'deploybot','unknown',1482186582412,487,1482186582899,1482186582899,NULL,NULL,'','{}',0,'rtm',2);
INSERT INTO "spans" VALUES(15,'deploybot','connecting',1482186582899,32,1482186582931,1482186582931,NULL,NULL,'','{}',1,'rtm',2);
INSERT INTO "spans" VALUES(16,'helper','unknown',1482186582412,487,1482186582899,1482186582899,NULL,NULL,'','{}',0,'rtm',2);
INSERT INTO "spans" VALUES(17,'helper','connecting',1482186582899,25,1482186582924,1482186582924,NULL,NULL,'','{}',1,'rtm',2);
INSERT INTO "spans" VALUES(18,'helper','online',1482186582924,9975,1482186592899,NULL,NULL,NULL,'','{}',0,'rtm',2);
INSERT INTO "spans" VALUES(19,'deploybot','online',1482186582931,9968,1482186592899,NULL,NULL,NULL,'','{}',0,'rtm',2);
CREATE INDEX spans_of_bot ON spans (bot, id);
CREATE UNIQUE INDEX one_open_span ON spans (bot) WHERE ended_at IS NULL;
CREATE INDEX sessions_of_bot ON events (bot, id) WHERE kind IN ('start', 'stop');
CREATE INDEX clock_events ON events (run, at) WHERE kind = 'clock';
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('runs',2);
INSERT INTO "sqlite_sequence" VALUES('spans',19);
INSERT INTO "sqlite_sequence" VALUES('events',28);
COMMIT;
PRAGMA user_version = 1;
