package import DynamoDBSource
package import Settings

extension ItemExpiry {
  /// As the file says it.
  package init(_ expiry: DynamoDBSettings.Expiry) {
    switch expiry {
    case .delete: self = .delete
    case .keep: self = .keep
    case .mark: self = .mark
    }
  }
}
