"""The filters of the room's templates."""
