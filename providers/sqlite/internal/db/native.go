package db

// The texts of the statements that run with the driver's own API. The generated methods beside them are not used;
// generating them is what checks the statements against the schema.
const (
	SQLRoleInWorkspace    = roleInWorkspace
	SQLCounter            = counter
	SQLSetCounter         = setCounter
	SQLKVNameOwner        = kVNameOwner
	SQLClaimKVName        = claimKVName
	SQLInsertFile         = insertFile
	SQLDeleteFile         = deleteFile
	SQLFile               = file
	SQLAddUse             = addUse
	SQLInsertRefs         = insertRefs
	SQLDeleteRefs         = deleteRefs
	SQLOrphan             = orphan
	SQLAnyIntent          = anyIntent
	SQLAdvanceCursor      = advanceCursor
	SQLReleaseHold        = releaseHold
	SQLInsertWaypoint     = insertWaypoint
	SQLWaypointAfter      = waypointAfter
	SQLDeleteWaypoint     = deleteWaypoint
	SQLPin                = pin
	SQLReleaseKVName      = releaseKVName
	SQLKeepKVName         = keepKVName
	SQLDeviceCursor       = deviceCursor
	SQLInsertCursor       = insertCursor
	SQLTrimCursors        = trimCursors
	SQLStep               = step
	SQLChatHead           = chatHead
	SQLSetChatHead        = setChatHead
	SQLChatPlace          = chatPlace
	SQLPlaceInChat        = placeInChat
	SQLRemoveFromChat     = removeFromChat
	SQLReviseChat         = reviseChat
	SQLBeginChat          = beginChat
	SQLChatRevision       = chatRevision
	SQLChatAfter          = chatAfter
	SQLIndexPiece         = indexPiece
	SQLInsertIndexPiece   = insertIndexPiece
	SQLIndexGeneration    = indexGeneration
	SQLSetIndexGeneration = setIndexGeneration
	SQLPinOf              = pinOf
	SQLInsertTombstone    = insertTombstone
	SQLDeleteTombstone    = deleteTombstone
	SQLChatBefore         = chatBefore
	SQLBlockHeads         = blockHeads
	SQLBlockText          = blockText
	SQLBlocksFrom         = blocksFrom
	SQLInsertBlock        = insertBlock
	SQLReplaceBlock       = replaceBlock
	SQLDeleteBlock        = deleteBlock
	SQLBlockAfter         = blockAfter
	SQLMarks              = marks
	SQLAddMarks           = addMarks
	SQLSetMarks           = setMarks
	SQLDeleteMarks        = deleteMarks
)
