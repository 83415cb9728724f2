/// Types that the server has no column type of its own for in DSQL: arrays, and types that someone made.
extension TypeCases {
  /// Arrays of built-in types: JSON on DSQL, themselves on PostgreSQL.
  static let arrays: [TypeCase] = [
    TypeCase("int[]", quoted("{}", "{1,NULL,-3}", "{{1,2},{3,4}}", "[0:2]={1,2,3}"), dsql: "to_jsonb($)::text"),
    TypeCase("smallint[][]", quoted("{{{1},{NULL}},{{-32768},{32767}}}"), dsql: "to_jsonb($)::text"),
    TypeCase("bigint[3]", quoted("{-9223372036854775808,9223372036854775807}"), dsql: "to_jsonb($)::text"),
    TypeCase(
      "text[]",
      quoted(
        #"{"",NULL,"a,b","\"q\"","NULL"}"#, "{}", #"{{"{}","\\"},{"\"# + "\n\t\"" + #",ü😀}}"#, #"{" ",null,nuLL}"#),
      dsql: "to_jsonb($)::text"),
    TypeCase("varchar(3)[]", quoted(#"{a,"",abc}"#), dsql: "to_jsonb($)::text"),
    TypeCase("char(3)[]", quoted(#"{a,"",abc}"#), dsql: "to_jsonb($)::text"),
    TypeCase("name[]", quoted(#"{a,"a b"}"#), dsql: "to_jsonb($)::text"),
    TypeCase("\"char\"[]", quoted(#"{a,""}"#), dsql: "to_jsonb($)::text"),
    TypeCase("boolean[]", quoted("{t,f,NULL}"), dsql: "to_jsonb($)::text"),
    TypeCase("real[]", quoted("{NaN,Infinity,-Infinity,-0,1e-45,0.1}"), dsql: "to_jsonb($)::text"),
    TypeCase(
      "double precision[]", quoted("{NaN,-Infinity,-0,5e-324,1.7976931348623157e308}"), dsql: "to_jsonb($)::text"),
    TypeCase(
      "numeric[]", quoted("{1.500,NaN,1e-20,NULL,-0.0}") + ["ARRAY[1e200, -1e-200]"], dsql: "to_jsonb($)::text"),
    TypeCase("numeric(10,2)[]", quoted("{1.5,NaN}"), dsql: "to_jsonb($)::text"),
    TypeCase("money[]", quoted("{1.50,NULL,-0.01}"), dsql: "to_jsonb($::text[])::text"),
    TypeCase("bytea[]", [#"ARRAY['\x00ff', '\x', NULL]::bytea[]"#], dsql: "to_jsonb($)::text"),
    TypeCase("uuid[]", quoted("{00000000-0000-0000-0000-000000000000}"), dsql: "to_jsonb($)::text"),
    TypeCase("date[]", quoted("{2020-01-01,infinity,4713-01-01 BC}"), dsql: "to_jsonb($::text[])::text"),
    TypeCase("time[]", quoted("{24:00}"), dsql: "to_jsonb($::text[])::text"),
    TypeCase("timetz[]", quoted("{24:00-15:59}"), dsql: "to_jsonb($::text[])::text"),
    TypeCase("timestamp[]", quoted("{2020-01-01 00:00:00,infinity}"), dsql: "to_jsonb($::text[])::text"),
    TypeCase("timestamptz(3)[]", quoted("{2020-01-01 00:00:00.123+05,-infinity}"), dsql: "to_jsonb($::text[])::text"),
    TypeCase("interval[]", quoted("{1 day -00:00:00.5,NULL}"), dsql: "to_jsonb($::text[])::text"),
    TypeCase(
      "json[]", [#"ARRAY['{"b":  1}'::json]"#, #"ARRAY[['1', NULL], ['null', '""']]::json[]"#],
      dsql: "replace(array_to_json($)::text, ',', ', ')"),
    TypeCase("jsonb[]", [#"ARRAY[['{"b": 1.50}', NULL], ['null', '""']]::jsonb[]"#], dsql: "to_jsonb($)::text"),
    TypeCase("inet[]", quoted("{10.0.0.1,10.0.0.1/8,::1}"), dsql: "to_jsonb($)::text"),
    TypeCase("bit(3)[]", quoted("{101,NULL}"), dsql: "to_jsonb($::text[])::text"),
    TypeCase("varbit[]", quoted(#"{101,""}"#), dsql: "to_jsonb($::text[])::text"),
    TypeCase("xml[]", quoted(#"{<a/>,"<b c='d,e'/>"}"#), dsql: "to_jsonb($::text[])::text"),
    TypeCase("tsvector[]", quoted(#"{"'a':1A 'b c'",NULL}"#), dsql: "to_jsonb($::text[])::text"),
    TypeCase("point[]", quoted(#"{"(0.1,-0)","(NaN,Infinity)"}"#), dsql: "to_jsonb($::text[])::text"),
    TypeCase("box[]", quoted("{(1,1),(0,0);(2,2),(1,1);NULL}"), dsql: "to_jsonb($::text[])::text"),
    TypeCase("int4range[]", quoted(#"{"[1,5)",empty,"(,)",NULL}"#), dsql: "to_jsonb($::text[])::text"),
    TypeCase("int4multirange[]", quoted(#"{"{[1,5),[7,9)}","{}"}"#), dsql: "to_jsonb($::text[])::text"),
    TypeCase("oid[]", quoted("{4294967295,0}"), dsql: "to_jsonb($::bigint[])::text"),
    TypeCase("pg_lsn[]", quoted("{16/B374D848}"), dsql: "to_jsonb($::text[])::text"),
  ]

  /// Types that someone made, by `CREATE TYPE` and `CREATE DOMAIN` or as extensions do.
  static let made: [TypeCase] = [
    TypeCase("mood", quoted("sad", "so so", "it's fine")),
    TypeCase("odd_label", quoted("", "NULL", #"{a,"b"}"#, #"\"#, "ünï 😀") + ["repeat('x', 63)::odd_label"]),
    anyArray("mood[]", quoted("{sad,so so}", "{{sad,NULL},{NULL,it's fine}}")),
    anyArray("odd_label[]", ["enum_range(NULL::odd_label)"]),
    TypeCase("pair", ["ROW(1, 'a,b')", "ROW(NULL, '')", "ROW(NULL, NULL)", #"ROW(-1, '("\')"#]),
    anyArray("pair[]", [#"ARRAY[ROW(1, 'a,"b"')::pair, NULL, ROW(NULL, '{}')::pair]"#]),
    TypeCase(
      "nest",
      [#"ROW(ROW(1, 'a,b')::pair, ARRAY['{', '"', NULL], '[1,5)', 'so so')"#, "ROW(NULL, '{}', 'empty', NULL)"]),
    TypeCase("code", quoted("", "abcde")),
    TypeCase("shortest_code", quoted("", "abc")),
    anyArray("shortest_code[]", quoted(#"{a,NULL,""}"#)),
    TypeCase("amount", ["-99.999", "'NaN'", "999999999.999"]),
    TypeCase("any_mood", quoted("so so")),
    TypeCase("few_numbers", quoted("{1,NULL}", "{}", "{{1},{2}}"), dsql: "to_jsonb($::int[])::text"),
    TypeCase("known_pair", ["ROW(1, 'a,b')"]),
    TypeCase("floatrange", quoted("[0.1,Infinity]", "empty", "[-0,NaN)")),
    TypeCase("floatmultirange", quoted("{[0.1,1),[2,)}")),
    TypeCase("moodrange", ["moodrange('sad', 'so so')"]),
    anyArray("floatrange[]", quoted(#"{"[0.1,1)",NULL}"#)),
    TypeCase("embedding", quoted("[1,2.5,-3]", "", #"{"a"}"#)),
    TypeCase("embedding(12)", quoted("[1,2.5,-3]")),
    anyArray("embedding[]", quoted(#"{"[1,2]",NULL}"#)),
    TypeCase("hstore", quoted("a=>1, b=>NULL", "", #""a,b"=>"\"=>""#), needs: "hstore"),
    anyArray("hstore[]", ["ARRAY['a=>1, b=>NULL'::hstore, NULL]"], needs: "hstore"),
    TypeCase("citext", quoted("MiXed", ""), needs: "citext"),
    anyArray("citext[]", quoted("{MiXed,NULL}"), needs: "citext"),
    TypeCase("ltree", quoted("Top.Science.Astronomy", ""), needs: "ltree"),
    TypeCase("lquery", quoted("*.Astronomy.*{1,2}"), needs: "ltree"),
    TypeCase("cube", quoted("(1, 2),(3, 4)", "(0.1)"), needs: "cube"),
    TypeCase("seg", quoted("1.0 .. 2.50", "<5"), needs: "seg"),
    TypeCase("isbn13", quoted("978-0-393-04002-9"), needs: "isn"),
    TypeCase("query_int", quoted("1&(2|3)"), needs: "intarray"),
  ]

  /// An array of a type that no target has: JSON on both.
  private static func anyArray(_ type: String, _ values: [String], needs: String? = nil) -> TypeCase {
    TypeCase(type, values, dsql: "to_jsonb($::text[])::text", postgres: "to_jsonb($::text[])::text", needs: needs)
  }
}
