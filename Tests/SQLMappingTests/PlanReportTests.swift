import ChangeModel
import SQLMapping
import Testing

@Suite("The plan")
struct PlanReportTests {
  /// A table with something of everything that a plan tells.
  private var orders: SourceTable {
    var source = table(
      "orders",
      [
        column("id", "int8", notNull: true), column("total", "money"), userColumn("state", .enum),
        column("raw", "jsonb"),
        column("low", "text", generated: "public.f(raw)"),
      ],
      indexes: [
        SourceIndex(name: "by_state", columns: ["state"], keyOptions: ["DESC"]),
        SourceIndex(name: "in_raw", columns: ["raw"], method: "gin"),
      ])
    source.columns[0].isIdentity = true
    source.columns[1].defaultExpression = "0"
    source.uncopied = [UncopiedPart(kind: .trigger, name: "stamp")]
    source.heaps = [
      SourceHeap(oid: 1, name: source.name, pages: 1, bytes: 1_572_864, estimatedRows: 1_234_567, filenode: 1)
    ]
    return source
  }

  @Test("a plan reads like this")
  func wholePlan() throws {
    let source = orders
    let bag = table("log", [column("line", "text")], keys: 0, identity: .full)
    let mapper = SchemaMapper(dialect: .dsql)

    let mappings = try mapper.mapSchema([source, bag], route: { TableRoute(TableName("app", $0.name)) })
    let report = PlanReport(mappings, by: mapper, notes: [source.name: ["16 chunks by id"]])

    #expect(
      report.description == """
        2 tables for Aurora DSQL

        CREATE SCHEMA IF NOT EXISTS "app";

        public.orders -> app.orders
          about 1,234,567 rows, 1.5 MiB
          16 chunks by id
          key: id

          CREATE TABLE IF NOT EXISTS "app"."orders" (
            "id" bigint NOT NULL,
            "total" numeric(19,2),
            "state" text,
            "raw" jsonb,
            PRIMARY KEY ("id")
          );

          column  source type  target type
          id      bigint       bigint
          total   money        numeric(19,2)  the amount without its currency sign
          state   public.mood  text           the enum's label; its list of values is not enforced
          raw     jsonb        jsonb

          after the load:
            CREATE INDEX ASYNC IF NOT EXISTS "by_state" ON "app"."orders" ("state");

          warnings:
            column low is left out: the target can't compute public.f(raw), as it uses public
            index by_state is without DESC
            index in_raw is not created: DSQL has no gin indexes

          stays behind:
            trigger stamp
            identity of column id; its values are copied
            default of column total: 0

        public.log -> app.log
          an unknown number of rows, 0 bytes
          no key: rows are told apart by all their columns, each change searches the table

          CREATE TABLE IF NOT EXISTS "app"."log" (
            "line" text
          );

          column  source type  target type
          line    text         text

        """)
  }
}
