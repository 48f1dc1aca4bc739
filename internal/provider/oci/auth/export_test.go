package auth

// SignDated lets the tests use the Date of Oracle's published vectors, "Thu, 05
// Jan 2014", which was a Sunday.
var SignDated = signDated
