package import FullLoad
package import Settings

extension ChunkPlanner {
  /// As the pipeline's settings have it.
  package init(_ settings: PipelineSettings) {
    let method: ChunkSettings.Method =
      switch settings.chunkBy {
      case .auto: .auto
      case .key: .key
      case .ctid: .ctid
      }
    self.init(
      ChunkSettings(
        method: method, chunkBytes: UInt64(settings.chunkSize), parallelism: settings.sink.parallelism))
  }
}
