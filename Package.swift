// swift-tools-version: 6.3
import PackageDescription

let strict: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableExperimentalFeature("Lifetimes"),
  .treatAllWarnings(as: .error),
]

/// Rooms that may touch C: every unsafe use is visible.
let shipped: [SwiftSetting] =
  strict + [
    .strictMemorySafety()
  ]

func room(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: shipped)
}

func example(_ name: String, in folder: String) -> Target {
  .executableTarget(
    name: name, dependencies: ["Penstock"], path: "docs/extending/\(folder)", packageAccess: false,
    swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
  .testTarget(
    name: name, dependencies: dependencies + ["PenstockTestKit"], exclude: exclude, swiftSettings: strict)
}

let package = Package(
  name: "penstock",
  products: [
    .library(name: "Penstock", targets: ["Penstock"]),
    .executable(name: "penstock", targets: ["PenstockProgram"]),
    .executable(name: "dsql-emulator", targets: ["dsql-emulator"]),
  ],
  targets: [
    // One system-library target per C library; module map and shim, nothing else.
    .systemLibrary(name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
    .systemLibrary(name: "CLibYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
    .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
    .systemLibrary(name: "CPgQuery", providers: [.apt(["libpg-query-dev"])]),
    .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .target(name: "CPenstockShims"),

    // Pure rooms: no Foundation, no C. The first is what programs of others see.
    room("PenstockExtensions"),
    room("ChangeModel"),
    room("SQLMapping", ["ChangeModel"]),
    room("Apply", ["ChangeModel", "SQLMapping"]),

    // Rooms that touch the outside, each one C library at most, but for the signing and fetching of one service.
    room("Runtime", ["CPenstockShims", "ChangeModel"]),
    room("Transforms", ["CSQLite", "COpenSSL", "Apply", "SQLMapping", "ChangeModel"]),
    room("Settings", ["CLibYAML", "Runtime", "SQLMapping", "PenstockExtensions", "ChangeModel"]),
    room("Postgres", ["CLibPQ", "CPenstockShims", "Runtime", "PenstockExtensions", "ChangeModel"]),
    room("AWS", ["COpenSSL", "CCurl", "CPenstockShims", "Runtime", "PenstockExtensions", "ChangeModel"]),
    room("Lanes", ["Runtime", "Apply", "SQLMapping", "ChangeModel"]),
    room("PostgresSource", ["Lanes", "Postgres", "Transforms", "Runtime", "SQLMapping", "ChangeModel", "Apply"]),
    .target(
      name: "Migrations", path: "migrations",
      resources: [
        .embedInCode("0001_schema.sql"), .embedInCode("0002_migration.sql"), .embedInCode("0003_pipeline.sql"),
        .embedInCode("0004_lane.sql"), .embedInCode("0005_table_state.sql"), .embedInCode("0006_chunk.sql"),
        .embedInCode("0007_dead_letter.sql"), .embedInCode("0008_dead_letter_part.sql"),
        .embedInCode("0009_health.sql"), .embedInCode("0010_lane_shards.sql"), .embedInCode("0011_shard.sql"),
        .embedInCode("0012_item_mapping.sql"), .embedInCode("0013_health_collisions.sql"),
      ],
      swiftSettings: shipped),
    room("DSQLSink", ["Migrations", "Lanes", "AWS", "Postgres", "Runtime", "Apply", "SQLMapping", "ChangeModel"]),
    room("DynamoDBSource", ["AWS", "Lanes", "Transforms", "Runtime", "Apply", "SQLMapping", "ChangeModel"]),
    room(
      "FullLoad",
      [
        "DSQLSink", "DynamoDBSource", "PostgresSource", "Postgres", "Transforms", "Runtime", "Apply", "SQLMapping",
        "ChangeModel",
      ]),
    room(
      "Verification",
      [
        "FullLoad", "DSQLSink", "DynamoDBSource", "PostgresSource", "Postgres", "AWS", "Transforms", "Runtime", "Apply",
        "SQLMapping",
        "ChangeModel",
      ]),
    room(
      "Pipeline",
      [
        "Settings", "Lanes", "FullLoad", "DSQLSink", "DynamoDBSource", "PostgresSource", "Postgres", "AWS",
        "Transforms", "Runtime", "Apply", "SQLMapping",
        "PenstockExtensions", "ChangeModel",
      ]),
    room("CommandLineArguments", ["ChangeModel"]),
    room(
      "Operations",
      [
        "Settings", "Pipeline", "FullLoad", "DSQLSink", "DynamoDBSource", "PostgresSource", "Postgres", "AWS",
        "Runtime",
        "SQLMapping", "ChangeModel",
      ]),
    room(
      "Commands",
      [
        "Operations", "Pipeline", "Verification", "Settings", "FullLoad", "DSQLSink", "DynamoDBSource",
        "PostgresSource",
        "Postgres",
        "AWS", "Runtime", "SQLMapping", "PenstockExtensions", "ChangeModel", "CommandLineArguments",
      ]),
    room("Penstock", ["Commands", "PenstockExtensions"]),
    .executableTarget(name: "PenstockProgram", dependencies: ["Penstock"], swiftSettings: shipped),

    // What docs/extending.md shows; each sees no more than a program outside this package does.
    example("LoginCommand", in: "authentication-provider"),
    example("ByState", in: "error-policy"),
    example("Journal", in: "source"),
    example("Archive", in: "sink"),

    // A DSQL to test against; knows nothing of the rooms above it.
    room("DSQLEmulator", ["AWS", "COpenSSL", "CLibPQ", "CPgQuery", "CPenstockShims"]),
    .executableTarget(
      name: "dsql-emulator", dependencies: ["DSQLEmulator", "AWS", "ChangeModel"], swiftSettings: shipped),

    // Shared by tests, never shipped.
    .target(name: "CTestKit", path: "Tests/CTestKit"),
    .target(
      name: "PenstockTestKit", dependencies: ["CTestKit"], path: "Tests/PenstockTestKit", swiftSettings: strict),
    .target(
      name: "ChangeTestKit", dependencies: ["Lanes", "Apply", "SQLMapping", "ChangeModel"], path: "Tests/ChangeTestKit",
      swiftSettings: strict),
    tests("PenstockTestKitTests", []),
    tests("TidyTests", []),
    tests("ChangeModelTests", ["ChangeModel"]),
    tests("ApplyTests", ["ChangeTestKit", "Apply", "SQLMapping", "ChangeModel"]),
    tests("TransformsTests", ["Transforms", "Apply", "SQLMapping", "ChangeModel"]),
    tests("LanesTests", ["ChangeTestKit", "Lanes", "Runtime", "Apply", "SQLMapping", "ChangeModel"]),
    tests("RuntimeTests", ["Runtime"]),
    tests("PostgresTests", ["Postgres", "Runtime", "PenstockExtensions", "ChangeModel"]),
    tests(
      "PostgresSourceTests",
      ["ChangeTestKit", "Pipeline", "PostgresSource", "Postgres", "Apply", "SQLMapping", "ChangeModel"]),
    tests(
      "DynamoDBSourceTests",
      ["ChangeTestKit", "DynamoDBSource", "AWS", "Postgres", "Runtime", "Apply", "SQLMapping", "ChangeModel"]),
    tests(
      "DSQLSinkTests",
      [
        "ChangeTestKit", "FullLoad", "DSQLSink", "Migrations", "DSQLEmulator", "AWS", "Lanes", "Postgres", "Runtime",
        "Apply",
        "SQLMapping",
        "ChangeModel",
      ]),
    tests(
      "SimulationTests",
      ["ChangeTestKit", "DSQLSink", "Lanes", "Postgres", "Runtime", "Apply", "SQLMapping", "ChangeModel"]),
    tests("SQLMappingTests", ["SQLMapping", "PostgresSource", "Postgres", "DSQLEmulator", "AWS", "ChangeModel"]),
    tests("CatalogTests", ["PostgresSource", "Postgres", "SQLMapping", "ChangeModel"]),
    tests("PenstockCLITests", ["CommandLineArguments"], exclude: ["help.txt"]),
    tests(
      "SettingsTests", ["Settings", "Runtime", "SQLMapping", "PenstockExtensions", "ChangeModel"],
      exclude: ["Scenarios"]),
    tests("AWSTests", ["AWS", "Runtime", "ChangeModel"]),
    tests(
      "PipelineTests",
      ["Pipeline", "SQLMapping", "Runtime", "PenstockExtensions", "Penstock", "Postgres", "ChangeModel"]),
    tests("IntegrationTests", ["Runtime"], exclude: ["Zoo"]),
    tests("DSQLEmulatorTests", ["DSQLEmulator", "CLibPQ", "COpenSSL", "AWS", "ChangeModel"]),
    tests(
      "VerificationTests",
      [
        "Verification", "DSQLSink", "DynamoDBSource", "PostgresSource", "Postgres", "AWS", "Runtime", "Apply",
        "SQLMapping", "ChangeModel",
      ]),
    tests(
      "OperationsTests",
      ["Operations", "Pipeline", "AWS", "PostgresSource", "DSQLSink", "Postgres", "Runtime", "ChangeModel"]),
  ],
  swiftLanguageModes: [.v6]
)
