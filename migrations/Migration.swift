/// One numbered file of this folder, which makes a part of the state tables in the target; built into the binary.
public struct Migration: Sendable {
  /// Its number, from 1 without a gap.
  public let version: Int
  /// Its file's name without the ending.
  public let name: String
  /// One statement of DDL, safe to run again.
  public let sql: String

  /// Every migration, in order. A test holds this list against the folder.
  public static let all: [Migration] = [
    Migration(1, "0001_schema", PackageResources._001_schema_sql),
    Migration(2, "0002_migration", PackageResources._002_migration_sql),
    Migration(3, "0003_pipeline", PackageResources._003_pipeline_sql),
    Migration(4, "0004_lane", PackageResources._004_lane_sql),
    Migration(5, "0005_table_state", PackageResources._005_table_state_sql),
    Migration(6, "0006_chunk", PackageResources._006_chunk_sql),
    Migration(7, "0007_dead_letter", PackageResources._007_dead_letter_sql),
    Migration(8, "0008_dead_letter_part", PackageResources._008_dead_letter_part_sql),
    Migration(9, "0009_health", PackageResources._009_health_sql),
    Migration(10, "0010_lane_shards", PackageResources._010_lane_shards_sql),
    Migration(11, "0011_shard", PackageResources._011_shard_sql),
    Migration(12, "0012_item_mapping", PackageResources._012_item_mapping_sql),
    Migration(13, "0013_health_collisions", PackageResources._013_health_collisions_sql),
  ]

  private init(_ version: Int, _ name: String, _ bytes: [UInt8]) {
    self.version = version
    self.name = name
    self.sql = String(decoding: bytes, as: UTF8.self)
  }
}
