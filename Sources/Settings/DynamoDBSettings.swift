/// How the tables of a DynamoDB account and region are read.
package struct DynamoDBSettings: Hashable, Sendable {
  /// What becomes of items that DynamoDB removes because their time has come.
  package enum Expiry: Hashable, Sendable {
    /// They go from the target too.
    case delete
    /// They stay.
    case keep
    /// They stay, with the time of their removal in this column.
    case mark(column: String)
  }

  /// Which credentials sign the requests, and for which region.
  package let login: IAMLogin
  /// In place of AWS's address.
  package let endpoint: String?
  /// The same for DynamoDB Streams.
  package let streamsEndpoint: String?
  /// `nil` leaves it to `AWS_USE_FIPS_ENDPOINT`.
  package let usesFIPS: Bool?
  /// Whether Scan reads what was written last.
  package let readsConsistently: Bool
  /// Parts of a table that are scanned at once; `nil` leaves it to the table's size.
  package let segments: Int?
  /// Most items in one answer of Scan; `nil` for as many as there are in 1 MB.
  package let pageItems: Int?
  /// Read capacity units of a table that its scan may use in a second; `nil` for all there are.
  package let readCapacity: Int?
  package let expiry: Expiry
  /// In the order of the file; the first that matches a table counts.
  package let items: [ItemRule]
}

extension DynamoDBSettings {
  /// The view types of a stream that show what is needed.
  package var views: [String] {
    if case .mark = expiry { ["NEW_AND_OLD_IMAGES"] } else { ["NEW_AND_OLD_IMAGES", "NEW_IMAGE"] }
  }

  /// - Parameter pipeline: the pipeline's name.
  init(_ section: inout SettingsSection, pipeline: String) {
    let before = section.description.settings.count
    let region = section.optional(
      .text("region", "[a-z0-9-]+", expected: "an AWS region such as us-east-1", "The tables' AWS region."),
      absent: "`AWS_REGION`, the AWS profile's, or the EC2 instance's")
    endpoint = section.optional(
      .endpoint("endpoint", "DynamoDB's address, such as of a VPC endpoint or of a server for tests."),
      absent: "AWS's, or `AWS_ENDPOINT_URL_DYNAMODB`")
    streamsEndpoint = section.optional(
      .endpoint("streams-endpoint", "The same for DynamoDB Streams."),
      absent: "`endpoint`, AWS's, or `AWS_ENDPOINT_URL_DYNAMODB_STREAMS`")
    usesFIPS = section.optional(
      .boolean("use-fips", "Whether AWS's endpoints with validated cryptography (FIPS 140) are used."),
      absent: "`AWS_USE_FIPS_ENDPOINT`, else `false`")
    let role = section.optional(
      .text(
        "iam-role", IAMLogin.rolePattern, expected: IAMLogin.roleExpected,
        "The role to assume by STS before requests are signed."),
      absent: "the AWS credentials that are found, as they are")
    let externalID = section.optional(
      .text(
        "iam-external-id", IAMLogin.externalIDPattern, expected: IAMLogin.externalIDExpected,
        "The external id that the trust policy of `iam-role` asks for."), absent: "none")
    let sessionName = section.optional(
      .text(
        "iam-session-name", IAMLogin.sessionNamePattern, expected: IAMLogin.sessionNameExpected,
        "What AWS's logs call the session of `iam-role`."), absent: "`penstock-` and the pipeline's name")
    login = IAMLogin(
      region: region, role: role, externalID: externalID, sessionName: sessionName ?? "penstock-\(pipeline)")
    readsConsistently = section.value(
      .boolean(
        "consistent-read",
        "Whether Scan sees all that was written before it, for twice the read capacity. Without it, what was written "
          + "within about a second before the load began may be missed until it changes again."), default: true)
    segments = section.optional(
      .integer("scan-segments", in: 1...2000, "Parts into which a table is cut for its scan."),
      absent: "`sink.parallelism`")
    pageItems = section.optional(
      .integer("batch-size", in: 1...1_000_000, "Most items in one answer of Scan."), absent: "as many as 1 MB holds")
    readCapacity = section.optional(
      .integer(
        "max-read-capacity", in: 1...1_000_000_000,
        "Read capacity units that the scan of one table may use in a second."),
      absent: "as many as DynamoDB grants")
    expiry = Self.readExpiry(&section)
    items = section.sections("items", "Which columns the items of tables become.") { ItemRule(&$0) }
    for key in ["iam-external-id", "iam-session-name"] { section.rule(.needsOne(["iam-role"], with: key)) }
    section.rule(.onlyWhen(key: "type", value: "dynamodb", section.description.settings[before...].map(\.key)))
  }

  private static func readExpiry(_ section: inout SettingsSection) -> Expiry {
    let deletes = section.value(
      .choice(
        "ttl-deletes", ["apply": "apply", "skip": "skip", "soft-delete": "soft-delete"],
        "What becomes of rows whose items DynamoDB removes by their time to live: they go too, they stay, or they stay "
          + "with the time in `ttl-column`."), default: "apply")
    let column = section.optional(
      .text("ttl-column", "The column of type timestamptz for `ttl-deletes: soft-delete`."), absent: "`expired_at`")
    section.rule(.onlyWhen(key: "ttl-deletes", value: "soft-delete", ["ttl-column"]))
    if section.isGiven("ttl-column"), !section.isGiven("ttl-deletes") {
      section.report("ttl-column", "only for ttl-deletes: soft-delete; expected it to be absent")
    }
    switch deletes {
    case "skip": return .keep
    case "soft-delete": return .mark(column: column ?? "expired_at")
    default: return .delete
    }
  }
}

extension Setting where Value == String {
  /// The address of a service.
  fileprivate static func endpoint(_ key: String, _ summary: String) -> Self {
    .text(
      key, #"https?://[A-Za-z0-9.:\[\]_-]+/?"#, expected: "a URL such as https://host or http://host:port", summary)
  }
}
