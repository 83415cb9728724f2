import PenstockTestKit
import Testing

@testable import PostgresSource

@Suite("Every version of the source is asked for what it has")
struct VersionTests {
  /// The queries that differ between versions, made for one of them.
  private static func queries(_ major: Int) -> [String] {
    let version = major * 10_000
    return [
      ReplicationSlot.statusQuery(version), SourceFacts.slotsQuery(version), SourceFacts.publicationQuery(version),
      "SELECT schemaname, tablename FROM pg_publication_tables WHERE \(Publication.filterTest(version))",
      CatalogQueries.columnsQuery(version), CatalogQueries.indexesQuery(version),
    ]
  }

  /// What came into the catalog, and with which version.
  private static let names: [(name: String, since: Int)] = [
    ("wal_status", 13), ("pubviaroot", 13), ("rowfilter", 15), ("attnames", 15), ("indnullsnotdistinct", 15),
    ("invalidation_reason", 17), ("convalidated", 18),
  ]

  @Test("a column of the catalog is named from the version on that has it", arguments: 12...18)
  func names(major: Int) {
    let text = Self.queries(major).joined(separator: "\n")

    #expect(Self.names.map { text.contains($0.name) } == Self.names.map { major >= $0.since })
  }

  @Test("what older servers are asked, this one understands too", arguments: 12...15)
  func older(major: Int) throws {
    let cluster = try TestCluster.shared
    for query in Self.queries(major) {
      let parameters = query.contains("::oid[]") ? "'{}'" : query.contains("$1") ? "'none'" : ""
      let text = query.replacing("$1", with: parameters)

      #expect(try cluster.psql(text) == "")
    }
  }
}
